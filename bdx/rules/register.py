"""Checks by name, and a rule's row of data bound to its check: every argument is compared with the check's signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pyarrow as pa

from bdx import spec
from bdx.errors import SpecError, did_you_mean
from bdx.rules.view import Span, View
from bdx.spec import Column, RuleSpec

GIVEN = ("now", "before", "facts", "span", "view")
"""Parameters the engine fills by name: values, values of the row before, facts of the column, its span, the whole view."""

RESERVED = ("unless", "skip", "yields")
"""Arguments any rule may have: a column whose presence sets the rule aside; column globs the rule leaves out; codes that name the
cause of what the rule would find: where one of them found something in the source, the rule is silent."""


@dataclass(slots=True)
class Hit:
    """What a fold found: how often, and the first place."""

    table: str
    column: str
    row: int | None = None
    count: int = 1
    value: object = ""
    examples: list[int] = field(default_factory=list)
    slots: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Bad:
    """What a chunk-wide check found: rows of one table, and arrays of the same length that fill the message."""

    table: str
    column: str
    mask: pa.BooleanArray
    slots: dict[str, pa.Array] = field(default_factory=dict)


class Fold(typing.Protocol):
    """A judgement over a whole table in constant memory."""

    def feed(self, view: View) -> None:
        """Look at one batch."""

    def finish(self) -> Iterable[Hit]:
        """Return what the table as a whole does wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check: its function, how it is fed, and which parameters are columns or literals."""

    name: str
    kind: str
    run: Callable[..., Any]
    given: tuple[str, ...]
    arrays: Mapping[str, bool]
    literals: Mapping[str, Any]
    required: frozenset[str]
    applies: Callable[[Column], bool] | None
    nulls: bool
    texts: bool = False


CHECKS: dict[str, Check] = {}


def check(
    name: str, *, before: int = 0, applies: Callable[[Column], bool] | None = None, nulls: bool = False, texts: bool = False
) -> Callable[..., Any]:
    """Register a mask: columns in, True where a row is bad; None says that no row is.

    `before=1` states that it looks at the row before; `applies` limits it to columns with certain facts; `nulls` says it
    also judges columns without any value; `texts` that it judges each text by itself, so that it is asked for distinct ones only.
    Column parameters are typed `pa.Array`, optional ones `pa.Array | None`;
    `x_before` is `x` one row earlier.
    """
    return _registrar(name, "mask", applies, nulls, before, texts)


def fold(name: str) -> Callable[..., Any]:
    """Register a fold: a class whose keyword arguments are the literals of the rule."""
    return _registrar(name, "fold", None, True, 0)


def across(name: str) -> Callable[..., Any]:
    """Register a check over a whole chunk, for what the rows of one table say about another."""
    return _registrar(name, "chunk", None, True, 0)


def _registrar(
    name: str, kind: str, applies: Callable[[Column], bool] | None, nulls: bool, before: int, texts: bool = False
) -> Callable[..., Any]:
    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        function = run.__init__ if inspect.isclass(run) else run
        hints = typing.get_type_hints(function, localns={"Span": Span})
        given, arrays, literals, required = [], {}, {}, set()
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name in ("self", "chunk"):
                continue
            if parameter.name in GIVEN:
                given.append(parameter.name)
                continue
            hint = hints[parameter.name]
            if hint is pa.Array or _optional(hint) is pa.Array:
                arrays[parameter.name] = _optional(hint) is pa.Array
                if not arrays[parameter.name]:
                    required.add(parameter.name)
            else:
                literals[parameter.name] = hint
                if parameter.default is inspect.Parameter.empty:
                    required.add(parameter.name)
        looks_back = "before" in given or any(item.endswith("_before") for item in arrays)
        if name in CHECKS or (kind == "mask" and looks_back != bool(before)):
            raise SpecError(f"check {name} is registered twice, or its signature and before={before} differ")
        CHECKS[name] = Check(name, kind, run, tuple(given), arrays, literals, frozenset(required), applies, nulls, texts)
        return run

    return register


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule with its check and its checked arguments."""

    rule: RuleSpec
    check: Check
    columns: Mapping[str, str]
    literals: Mapping[str, Any]
    unless: str
    skip: tuple[str, ...]
    yields: tuple[str, ...] = ()

    def judges(self, table: str, column: Column) -> bool:
        """Say whether the rule looks at a column."""
        if not matches(table, self.rule.table) or not matches(column.name, self.rule.column):
            return False
        if any(fnmatchcase(column.name, glob) for glob in self.skip):
            return False
        return self.check.applies is None or self.check.applies(column)

    @property
    def arrays(self) -> Mapping[str, bool]:
        """Column parameters that the rule names, True where optional."""
        return {name: optional for name, optional in self.check.arrays.items() if name.removesuffix("_before") in self.columns}


@cache
def matches(name: str, globs: str) -> bool:
    """Say whether a name matches one of the globs, which commas separate; asked of few names many times over."""
    return any(glob in (name, "*") or fnmatchcase(name, glob) for glob in map(str.strip, globs.split(",")))


def bind(rule: RuleSpec) -> Bound:
    """Return a rule bound to its check.

    Raises: SpecError naming the rule and the argument that the check does not have, lacks, or has with another type.
    """
    found = CHECKS.get(rule.check)
    if found is None:
        raise SpecError(f"rule {rule.code}: no check '{rule.check}'{did_you_mean(rule.check, CHECKS)}")
    columns: dict[str, str] = {}
    literals: dict[str, Any] = {}
    for name, value in rule.args.items():
        if name in RESERVED:
            continue
        if name in found.arrays and not name.endswith("_before"):
            columns[name] = _column(rule, name, value)
        elif name in found.literals:
            literals[name] = _literal(rule, name, value, found.literals[name])
        else:
            raise SpecError(f"rule {rule.code}: check {rule.check} has no argument '{name}'{did_you_mean(name, _accepted(found))}")
    for name in sorted(found.required):
        if name.removesuffix("_before") not in columns and name not in literals:
            raise SpecError(f"rule {rule.code}: check {rule.check} needs argument '{name}'")
    unless, skip, yields = rule.args.get("unless", ""), rule.args.get("skip", ()), rule.args.get("yields", ())
    if not isinstance(unless, str) or not isinstance(skip, tuple):
        raise SpecError(f"rule {rule.code}: unless is a column name and skip a list of column globs")
    if not isinstance(yields, tuple) or not set(yields) <= set(spec.rules()):
        raise SpecError(f"rule {rule.code}: yields is a list of codes of rules")
    if found.kind == "mask" and not (rule.table and rule.column):
        raise SpecError(f"rule {rule.code}: check {rule.check} needs a table and a column")
    return Bound(rule, found, columns, literals, unless, skip, yields)


def _accepted(found: Check) -> list[str]:
    return [name for name in (*found.arrays, *found.literals) if not name.endswith("_before")]


def _column(rule: RuleSpec, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SpecError(f"rule {rule.code}: argument '{name}' is {value!r}, expected a column name")
    for table in spec.tables():
        if matches(table, rule.table):
            spec.table(table).column(value)
    return value


def _literal(rule: RuleSpec, name: str, value: object, hint: Any) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted = typing.get_origin(hint) or hint
    fits = isinstance(value, wanted) and not (isinstance(value, bool) and wanted is not bool)
    if wanted is tuple and fits:
        fits = all(isinstance(item, str) for item in typing.cast("tuple[object, ...]", value))
    if not fits:
        raise SpecError(f"rule {rule.code}: argument '{name}' is {value!r}, expected {getattr(hint, '__name__', hint)}")
    return value


def _optional(hint: Any) -> Any:
    """Return the type that may be None, or None where the hint is no such union."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [item for item in typing.get_args(hint) if item is not type(None)]
        return inner[0] if len(inner) == 1 else None
    return None
