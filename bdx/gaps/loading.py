"""Load a requirement profile: one of specs/profiles or a user's own file, what it extends, what every column says by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bdx import spec
from bdx.errors import SpecError, UsageError
from bdx.gaps.naming import known_table, parse_condition, parse_path
from bdx.gaps.profile import ALL, Limit, Profile, Requirement
from bdx.spec import Facts

_OWN = ("extends", "without", "requirement")
_FROM_SUPPLY = ("supplier", "action")
_LEVELS = {"model / item": "item"}


def load(name: str) -> Profile:
    """Return a profile by its id, or from a user's file (a name that ends in .toml or holds a slash), every column of it checked.

    Raises: UsageError for an unknown id or file, SpecError naming the file, the requirement and what is wrong.
    """
    return _of_file(name) if is_file(name) else _of_specs(name)


def is_file(name: str) -> bool:
    """Say whether a profile is named by its file."""
    return name.endswith(".toml") or "/" in name


@cache
def _of_specs(profile_id: str) -> Profile:
    return build(spec.facts("profiles", profile_id), f"specs/profiles/{profile_id}.toml", profile_id)


def _of_file(name: str) -> Profile:
    facts = _read(Path(name))
    return build(facts, name, facts["id"], Path(name).parent)


def _read(path: Path) -> Facts:
    if not path.is_file():
        raise UsageError(f"{path}: no such profile file")
    return spec.load(path, "profiles")


def build(facts: Facts, where: str, profile_id: str, folder: Path | None = None) -> Profile:
    """Return the profile that frozen facts describe; `where` names them in messages, `folder` is where files it extends stand.

    Raises: SpecError naming the requirement and what is wrong.
    """
    if facts["id"] != profile_id:
        raise SpecError(f"{where}: id is '{facts['id']}', expected '{profile_id}'")
    facts = _extended(facts, where, folder, ())
    missing = [name for name in ("source", "licence", "table", "presence", "categories") if name not in facts]
    if missing or not facts.get("requirement"):
        raise SpecError(f"{where}: lacks {', '.join(missing) or 'any requirement'}; only a profile that extends another may leave that out")
    known_table(facts["table"], where)
    scope = facts.get("scope", {})
    key = next(iter(spec.table(facts["table"]).key), "")
    profile = Profile(
        id=facts["id"],
        title=facts["title"],
        version=facts["version"],
        source=facts["source"],
        licence=facts["licence"],
        table=facts["table"],
        presence=facts["presence"],
        categories=facts["categories"],
        requirements=_requirements(facts, where),
        note=facts.get("note", ""),
        as_of=_date(facts, "as_of", where),
        category_column=scope.get("category_column", ""),
        granularity_column=scope.get("granularity_column", ""),
        same_as=scope.get("same_as", MappingProxyType({})),
        outside=scope.get("outside", ()),
        limits=tuple(Limit(**limit) for limit in scope.get("limit", ())),
        key=key,
        joins=MappingProxyType(_joins(facts, scope.get("joins", {}), where)),
        extends=facts.get("extends", ""),
    )
    _check_scope(profile, where)
    return profile


def _extended(facts: Facts, where: str, folder: Path | None, seen: tuple[str, ...]) -> Facts:
    """Return the facts with everything of the profile they extend that they do not say themselves.

    A requirement of the same id takes the place of the other's, key by key; `without` leaves requirements out.
    """
    base_name = facts.get("extends")
    if base_name is None:
        return facts
    if base_name in seen:
        raise SpecError(f"{where}: extends itself through {' -> '.join((*seen, base_name))}")
    own = is_file(base_name)
    base = _read((folder or spec.root() / "profiles") / base_name) if own else spec.facts("profiles", base_name)
    base = _extended(base, base_name, folder, (*seen, base_name))
    rows: dict[str, Mapping[str, Any]] = {row["id"]: row for row in base["requirement"]}
    without = facts.get("without", ())
    for name in without:
        if name not in rows:
            raise SpecError(f"{where}: leaves out '{name}', which {base_name} does not have")
    rows = {name: row for name, row in rows.items() if name not in without}
    own_rows: set[str] = set()
    for row in facts.get("requirement", ()):
        if row["id"] in own_rows:
            raise SpecError(f"{where}: {row['id']}: the id is used twice")
        own_rows.add(row["id"])
        rows[row["id"]] = {**rows.get(row["id"], {}), **row}
    said = {key: value for key, value in base.items() if key not in _OWN}
    scope = {**base.get("scope", {}), **facts.get("scope", {})}
    merged = {**said, **{key: value for key, value in facts.items() if key != "requirement"}, "requirement": tuple(rows.values())}
    return MappingProxyType({**merged, **({"scope": scope} if scope else {})})


def _requirements(facts: Facts, where: str) -> tuple[Requirement, ...]:
    found: dict[str, Requirement] = {}
    joined = facts.get("scope", {}).get("joins", {})
    for stated in facts["requirement"]:
        place = f"{where}: {stated['id']}"
        if stated["id"] in found:
            raise SpecError(f"{place}: the id is used twice")
        row = _completed(stated, place)
        needs = tuple(tuple(parse_path(part.strip(), place) for part in entry.split("|")) for entry in row["columns"])
        when = tuple(tuple(parse_condition(part, place) for part in entry.split("|")) for entry in row.get("when", ()))
        days = _dates(row, facts, place)
        for path in (*(path for need in needs for path in need), *(condition.path for ways in when for condition in ways)):
            if path.table != facts["table"] and path.table not in joined and not _link(facts["table"], path.table):
                raise SpecError(
                    f"{place}: '{path}' is neither in table {facts['table']} nor in a child of it (scope.joins may name its key)"
                )
        if row.get("any", False):
            needs = (tuple(path for need in needs for path in need),)
        found[row["id"]] = Requirement(
            id=row["id"],
            name=row["name"],
            section=row["section"],
            needs=needs,
            columns=tuple(row["columns"]),
            any=row.get("any", False),
            basis=row["basis"],
            tier=row["tier"],
            level=row["level"],
            supplier=tuple(row["supplier"]),
            strength=_strengths(row["status"], facts, place),
            action=row["action"],
            due=min(days.values(), default=None) if days else _date(row, "from", place),
            due_by=days,
            condition=row.get("condition", "; ".join(" or ".join(map(str, ways)) for ways in when)),
            when=when,
            note=row.get("note", ""),
            verified=row.get("verified", facts.get("verified", False)),
        )
    return tuple(found.values())


def _strengths(status: Any, facts: Facts, place: str) -> Mapping[str, str]:
    """Return the strength per category: one word for all, or a table of them; `scope.others` speaks for those not named."""
    expected = dict.fromkeys(facts["categories"] or (ALL,))
    if isinstance(status, str):
        return MappingProxyType(dict.fromkeys(expected, status))
    others = facts.get("scope", {}).get("others")
    if set(status) - set(expected) or (others is None and set(status) != set(expected)):
        raise SpecError(f"{place}: status names {sorted(status)}, expected {sorted(expected)}")
    return MappingProxyType({name: status.get(name, others) for name in expected})


def _completed(row: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Return a requirement with what its first column says by itself: name, tier, level, who supplies it, the next step."""
    needed = ("id", "section", "columns", "basis", "status")
    if missing := [name for name in needed if name not in row]:
        raise SpecError(f"{place}: lacks {', '.join(missing)}")
    found = dict(row)
    first = parse_path(row["columns"][0].split("|")[0].strip(), place)
    column = spec.table(first.table).column(first.column)
    given = supply().get(str(first)) or supply().get(f"{first.table}.{first.column}") or supply().get(f"{first.table}.*") or {}
    found.setdefault("name", given.get("name") or column.label or column.meaning)
    found.setdefault("tier", column.tier or "public")
    found.setdefault("level", _LEVELS.get(column.level, column.level) or "item")
    for name in _FROM_SUPPLY:
        if name not in found:
            if name not in given:
                raise SpecError(f"{place}: has no {name}, and specs/supply.toml says none for {first}")
            found[name] = given[name]
    return found


@cache
def supply() -> Mapping[str, Mapping[str, Any]]:
    """Return who can supply a column and what to do to get it, by column path (`table.*` speaks for the rest of a table)."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in spec.load(spec.root() / "supply.toml", "supply")["supply"]:
        for text in row["columns"]:
            if text in found:
                raise SpecError(f"specs/supply.toml: '{text}' stands in two rows")
            if text.endswith(".*"):
                known_table(text[:-2], "specs/supply.toml")
            else:
                parse_path(text, "specs/supply.toml")
            found[text] = row
    return found


def _link(main: str, other: str) -> str:
    """Return the column of another table that names the record of the main table its rows belong to, or an empty string."""
    key = next(iter(spec.table(main).key), "")
    if not key:
        return ""
    if spec.table(other).parent == main and key in spec.table(other).by_name:
        return key
    wanted = f"{main}.{key}"
    return next((column.name for column in spec.table(other).columns if column.references == wanted), "")


def _joins(facts: Facts, stated: Mapping[str, str], where: str) -> dict[str, str]:
    for table, column in stated.items():
        known_table(table, f"{where}: scope.joins")
        parse_path(f"{table}.{column}", f"{where}: scope.joins")
    links = {name: _link(facts["table"], name) for name in spec.tables() if name != facts["table"]}
    return {**{name: link for name, link in links.items() if link}, **stated}


def _check_scope(profile: Profile, where: str) -> None:
    named = {*profile.same_as.values(), *(limit.category for limit in profile.limits)}
    for name in sorted(named - set(profile.categories)):
        raise SpecError(f"{where}: scope names category '{name}', expected one of {', '.join(profile.categories)}")
    columns = [profile.category_column, profile.granularity_column, *(name for limit in profile.limits for name in limit.product)]
    for column in filter(None, columns):
        parse_path(f"{profile.table}.{column}", f"{where}: scope")
    if profile.categories and not profile.category_column:
        raise SpecError(f"{where}: categories are named, but no scope.category_column tells them apart")


def _dates(row: Mapping[str, Any], facts: Facts, where: str) -> Mapping[str, date]:
    """Return the first day per category, where a requirement gives a table of them."""
    stated = row.get("from")
    if stated is None or isinstance(stated, str):
        return MappingProxyType({})
    if unknown := sorted(set(stated) - set(facts["categories"])):
        raise SpecError(f"{where}: from names {unknown}, expected some of {sorted(facts['categories'])}")
    days = {name: _date(stated, name, where) for name in stated}
    return MappingProxyType({name: day for name, day in days.items() if day is not None})


def _date(facts: Mapping[str, Any], key: str, where: str) -> date | None:
    text = facts.get(key)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"{where}: {key} is '{text}', expected a calendar date") from error
