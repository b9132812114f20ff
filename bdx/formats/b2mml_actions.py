"""What the verb of a transaction asks its receiver to do with the records: add them, change them, delete them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bdx.spec import Facts

_PREDICATE = re.compile(r"\[[^\]]*\]")


def asked(message: dict[str, Any], verb: str, known: dict[str, str], facts: Facts) -> tuple[str, str]:
    """Return the action of a message ("" for add, change, delete), and what is wrong with it, if anything.

    `verb` is that of the transaction's name. Action codes inside the verb's element win over it; they must agree, since which
    record each of them means would take an evaluation of its expression.
    """
    verbs = (*facts["data_verbs"], *facts.get("corrections", ()))
    codes = facts.get("actions", {})
    found: dict[str, str] = {}
    for name in verbs:
        for code, expression in _expressions(message.get(name)):
            action = codes.get(code.strip())
            if action is None:
                continue
            found.setdefault(action, code)
            part = _part(expression, known)
            if action == "delete" and part:
                return "", f"asks the receiver to {code.lower()} a part of what it holds ({part[:80]}), which no row can say"
    if len(found) > 1:
        return "", f"asks for {' and '.join(sorted(found.values()))} at once; send the records of each in a message of their own"
    action = next(iter(found), facts.get("corrections", {}).get(verb, ""))
    return ("" if action == "add" else action), ""


def _part(expression: str, known: dict[str, str]) -> str:
    """Return the expression where its last step is no whole record, else an empty text."""
    last = _PREDICATE.sub("", expression).strip().rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return "" if last in ("", ".", "*", "DataArea") or last in known else expression.strip()


def _expressions(verb: Any) -> Iterator[tuple[str, str]]:
    """Yield the action codes anywhere in a verb's element, each with the expression it stands at."""
    waiting = [verb]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [child for name, child in node.items() if not name.startswith("@")]
            if "@actionCode" in node:
                yield node["@actionCode"], node.get("", "")
