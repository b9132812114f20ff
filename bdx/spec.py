"""Find, load, check and freeze the spec files: every fact bdx knows lives in them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bdx.errors import SpecError, UsageError, did_you_mean

Facts = Mapping[str, Any]


@cache
def root() -> Path:
    """Return the folder of specs: inside an installed wheel, else beside the package."""
    here = Path(__file__).resolve().parent
    for candidate in (here / "_specs", here.parent / "specs"):
        if candidate.is_dir():
            return candidate
    raise SpecError(f"no spec files beside {here}: the installation is incomplete")


def freeze(value: Any) -> Any:
    """Return `value` with every dict read-only and every list a tuple."""
    if isinstance(value, dict):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(freeze(item) for item in value)
    return value


@cache
def _meta(kind: str) -> Any:
    import jsonschema_rs

    path = root() / "_meta" / f"{kind}.json"
    return jsonschema_rs.validator_for(json.loads(path.read_text("utf-8")))


def load(path: Path, kind: str) -> Facts:
    """Return the frozen facts of one TOML file, checked against specs/_meta/<kind>.json.

    Raises: SpecError naming the file, the key and what is wrong.
    """
    try:
        facts = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise SpecError(f"{path}: not valid TOML: nested too deep") from error
    for fault in _meta(kind).iter_errors(facts):
        words = _words(fault)
        known = f"{json.dumps(fault.instance)} is none of {', '.join(words)}{did_you_mean(str(fault.instance), words)}"
        raise SpecError(f"{path}: {_where(facts, fault.instance_path)}: {known if words else fault.message}")
    return freeze(facts)  # type: ignore[no-any-return]


def _words(fault: Any) -> list[str]:
    """Return the words that were expected where a fault of the schema is one of words."""
    inner = [one for branch in getattr(fault.kind, "context", ()) for one in branch if one.instance_path == fault.instance_path]
    return [str(word) for one in (fault, *inner) if one.kind.name == "enum" for word in one.kind.options]


def _where(facts: Any, steps: list[str | int]) -> str:
    """Return a place in a spec file; a row of a list goes by its id where it has one."""
    named: list[str] = []
    for step in steps:
        facts = facts[step]
        own = facts.get("id") if isinstance(step, int) and isinstance(facts, dict) else None
        named.append(own if isinstance(own, str) and own else str(step))
    return ".".join(named) or "top level"


def names(kind: str) -> tuple[str, ...]:
    """Return the ids of all specs of a kind (a folder of specs/), sorted."""
    return tuple(sorted(path.stem for path in (root() / kind).glob("[!_]*.toml")))


@cache
def facts(kind: str, name: str) -> Facts:
    """Return the facts of specs/<kind>/<name>.toml.

    Raises: UsageError for an unknown name, with the nearest known one.
    """
    path = root() / kind / f"{name}.toml"
    if not path.is_file():
        known = names(kind)
        raise UsageError(f"no {kind.rstrip('s')} '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")
    return load(path, kind)


def has(kind: str, name: str) -> bool:
    """Say whether specs/<kind>/<name>.toml exists."""
    return (root() / kind / f"{name}.toml").is_file()


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema specs/schemas/<name>.json; one that `extends` another is a merge patch of it (RFC 7396)."""
    path = root() / "schemas" / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: {error}") from error
    if "extends" not in found:
        return found
    return _patched(schema(found["extends"]), {key: value for key, value in found.items() if key != "extends"})  # type: ignore[no-any-return]


def _patched(value: Any, patch: Any) -> Any:
    """Return a JSON value with a merge patch applied: null takes a key away, an object goes into an object."""
    if not isinstance(patch, dict):
        return patch
    base = value if isinstance(value, dict) else {}
    kept = {key: item for key, item in base.items() if key not in patch}
    return kept | {key: _patched(base.get(key), item) for key, item in patch.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column: its type, unit, meaning, the authority it comes from and its limits."""

    name: str
    type: str
    unit: str = ""
    meaning: str = ""
    source: str = ""
    label: str = ""
    term: str = ""
    tier: str = ""
    personal: bool = False
    level: str = ""
    dynamic: bool = False
    required: bool = False
    recommended: bool = False
    enum: tuple[str, ...] = ()
    pattern: str = ""
    minimum: float | None = None
    maximum: float | None = None
    references: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One canonical table; `sparse` tables carry only the columns that a source supplies."""

    name: str
    title: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    parent: str = ""
    sparse: bool = False
    by_name: Mapping[str, Column] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises: SpecError with the nearest known name.
        """
        found = self.by_name.get(name)
        if found is None:
            raise SpecError(f"table {self.name} has no column '{name}'{did_you_mean(name, self.by_name)}")
        return found


def _build(cls: type, row: Facts) -> Any:
    return cls(**row)


@cache
def table(name: str) -> TableSpec:
    """Return the canonical table of that name.

    Raises: UsageError for an unknown name, with the nearest known one.
    """
    raw = facts("tables", name)
    columns = tuple(_build(Column, row) for row in raw["column"])
    seen: dict[str, Column] = {}
    for column in columns:
        if column.name in seen:
            raise SpecError(f"specs/tables/{name}.toml: column '{column.name}' is defined twice")
        seen[column.name] = column
    return TableSpec(
        name=name,
        title=raw["title"],
        meaning=raw["meaning"],
        key=raw.get("key", ()),
        columns=columns,
        parent=raw.get("parent", ""),
        sparse=raw.get("sparse", False),
        by_name=MappingProxyType(seen),
    )


@cache
def tables() -> tuple[str, ...]:
    """Return the names of all canonical tables in their documented order."""
    order = facts("tables", "_order")["order"]
    known = set(names("tables"))
    if set(order) != known:
        raise SpecError(f"specs/tables/_order.toml and the folder differ: {sorted(set(order) ^ known)}")
    return tuple(order)


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One format: how its bytes are recognised, which engine reads and writes them."""

    id: str
    title: str
    engine: str
    world: str
    raw: Facts
    version: str = ""
    versions: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    reads: bool = True
    writes: bool = False
    mapping: str = ""
    schema: str = ""
    source: str = ""
    pinned: bool = False
    """The user named the version: documents are not asked for theirs."""

    @property
    def full_id(self) -> str:
        """The id with its version, as in `catenax-battery-pass@6.1.0`."""
        return f"{self.id}@{self.version}" if self.version else self.id

    def release(self, version: str) -> FormatSpec:
        """Return the format as of one version, with the mapping and the schema of that version."""
        return _release(self.id, version)


@cache
def format_spec(name: str) -> FormatSpec:
    """Return the format of that id (kebab case, no version).

    Raises: UsageError for an unknown id, with the nearest known one.
    """
    raw = facts("formats", name)
    if raw["id"] != name:
        raise SpecError(f"specs/formats/{name}.toml: id is '{raw['id']}', expected '{name}'")
    plain = {key: raw[key] for key in FormatSpec.__slots__ if key in raw and key != "raw"}
    return FormatSpec(raw=raw, **plain)


@cache
def _release(name: str, version: str) -> FormatSpec:
    """Return a format as of a version; a release without a mapping or schema of its own has that of the format.

    Raises: SpecError for a version that is no release of it.
    """
    item = format_spec(name)
    rows: tuple[Facts, ...] = item.raw.get("release", ())
    row = next((row for row in rows if row["version"] == version), None)
    if row is None and version not in (item.version, *item.versions):
        raise SpecError(f"format {name} has no release '{version}'")
    own = {key: row[key] for key in ("mapping", "schema", "writes") if key in row} if row else {}
    return replace(item, version=version, **own)


def model(full_id: str) -> FormatSpec:
    """Return the format as of the version in an id such as `catenax-battery-pass@6.1.0`."""
    name, _, version = full_id.partition("@")
    return _release(name, version) if version else format_spec(name)


@cache
def formats() -> tuple[FormatSpec, ...]:
    """Return all formats, sorted by id."""
    return tuple(format_spec(name) for name in names("formats"))


@cache
def refusals() -> tuple[Facts, ...]:
    """Return what is known by its bytes and not read, in the order it is looked for."""
    return load(root() / "refusals.toml", "refusals")["refusal"]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule as a row of data: a fault with a code, the check that finds it and why it matters."""

    code: str
    name: str
    severity: str
    message: str
    what: str
    why: str
    source: str
    since: str
    check: str = ""
    table: str = ""
    column: str = ""
    args: Facts = field(default_factory=lambda: MappingProxyType({}))
    status: str = "active"
    refuses: bool = False
    """Whether the rule says why an attribute was not derived."""


@cache
def derivations() -> tuple[Facts, ...]:
    """Return what can be derived from what: the rows of specs/derivations.toml."""
    return load(root() / "derivations.toml", "derivations")["derivation"]  # type: ignore[no-any-return]


@cache
def rules() -> Mapping[str, RuleSpec]:
    """Return every rule by code.

    Raises: SpecError where a code is used twice.
    """
    found: dict[str, RuleSpec] = {}
    for family in names("rules"):
        for row in facts("rules", family)["rule"]:
            if row["code"] in found:
                raise SpecError(f"specs/rules/{family}.toml: code {row['code']} is used twice")
            found[row["code"]] = _build(RuleSpec, row)
    return MappingProxyType(dict(sorted(found.items())))
