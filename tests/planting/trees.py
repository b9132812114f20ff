"""Ways to spoil a JSON document, and canonical tables, by one value."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

Tables = dict[str, list[dict[str, Any]]]


def spoil_document(path: Path, facts: dict[str, Any]) -> Path:
    """Spoil the JSON of a file at one place: `at` is a path of keys and positions, `do` set, delete, rename, append or wrap."""
    document = json.loads(path.read_text("utf-8"))
    *way, last = facts["at"].strip("/").split("/")
    place = document
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    key: Any = int(last) if isinstance(place, list) else last
    doing = facts["do"]
    if doing == "add":
        place[key] = facts["to"]
    elif doing == "set":
        assert place[key] != facts["to"], f"{facts['at']} holds {facts['to']} already"
        place[key] = None if facts["to"] == "null" else facts["to"]
    elif doing == "delete":
        del place[key]
    elif doing == "rename":
        place[facts["to"]] = place.pop(key)
    elif doing == "scale":
        place[key] = place[key] * facts["by"]
    elif doing == "again":
        place[key].append({**copy.deepcopy(place[key][0]), **facts.get("but", {})})
    elif doing == "text":
        place[key] = str(place[key])
    elif doing == "wrap":
        place[key] = [place[key]]
    else:
        raise ValueError(doing)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def spoil_tables(tables: Tables, facts: dict[str, Any]) -> Tables:
    """Return tables with one fault: `table` and `row` choose, `do` set (`column`, `to`), delete, again (`but`) or add (`to`)."""
    found = {name: [dict(row) for row in rows] for name, rows in tables.items()}
    rows, row = found.setdefault(facts["table"], []), facts.get("row", 0)
    if "like" in facts:
        row = next(number for number, held in enumerate(rows) if all(held.get(key) == value for key, value in facts["like"].items()))
    doing = facts["do"]
    if doing == "set":
        rows[row][facts["column"]] = None if facts["to"] == "null" else facts["to"]
    elif doing == "delete":
        del rows[row]
    elif doing == "again":
        rows.append({**rows[row], **facts.get("but", {})})
    elif doing == "add":
        rows.append(dict(facts["to"]))
    else:
        raise ValueError(doing)
    return found
