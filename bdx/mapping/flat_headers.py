"""A name in a header -> what its column is: a field, a parameter with unit and role, a result, an input lot; or nothing that is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bdx import units
from bdx.errors import MappingError
from bdx.mapping import vocabulary
from bdx.mapping.flat_words import by_word, facts
from bdx.names import fold

_BRACKETS = re.compile(r"(.*\S)\s*(?:\[([^\[\]]*)\]|[(\uff08]([^()\uff08\uff09]*)[)\uff09])\s*(.*)")
_ROUND = re.compile("[()\uff08\uff09]")
_WORDS = re.compile(r"[\s_\-:.]+")
_LOTS = ("lot_id", "item_id", "serial_number")
_CJK = re.compile("[\u2e80-\u9fff]")
LONG_ONLY = frozenset({
    "parameter", "value", "setpoint", "lower_limit", "upper_limit", "role", "statistic", "index", "group", "condition", "gage_id",
})  # fmt: skip
"""Fields that mean something only where each row names a parameter and its value."""
EDGE_ONLY = frozenset({"input_item_id", "output_item_id", "relation", "input_role", "position_index"})
"""Fields that mean something only in rows of what went into what."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column is, by one of `field`, `parameter`, `result` and `given_input`; the rest belongs to it."""

    field: str = ""
    parameter: str = ""
    result: str = ""
    given_input: str = ""
    unit: str = ""
    role: str = ""
    statistic: str = ""
    step: str = ""
    index: int | None = None

    @property
    def of_value(self) -> bool:
        """Whether the cells of the column are values."""
        return bool(self.parameter or self.result)


def meaning(levels: Sequence[str]) -> Meaning | None:
    """Return what a column is by its names in a header, outermost first; None where no word is known.

    Outer names that are steps say what step the column is of, the others belong to the name.
    """
    step = ""
    rest: list[str] = []
    for level in levels[:-1]:
        found = vocabulary.step(level)
        if found is not None and not step:
            step = found.code
        else:
            rest.append(level)
    name, unit = split_name(" ".join([*rest, levels[-1]]))
    made = _named(name, unit)
    if made is None and rest:
        made = _named(*split_name(levels[-1]))
    if made is None and not step:
        step, made = _after_step(name, unit)
    return replace(made, step=step) if made is not None and step else made


def split_name(cell: str) -> tuple[str, str]:
    """Return the name and the unit that a header cell writes: "Temp [°C]", "Temp (°C)", "temp_c", "Masse in kg", "OCV / V"."""
    text = " ".join(cell.split())
    match = _BRACKETS.fullmatch(text)
    if match is not None:
        square, inner = match[2] is not None, (match[2] or match[3] or "").strip()
        name = f"{match[1]} {match[4]}".strip()
        if units.known(inner) or (square and vocabulary.plain(inner) not in _role_words()):
            return name, inner
        return f"{name} {inner}", ""
    for mark in ("/", ",", *(f" {word} " for word in facts()["unit_words"])):
        name, found, unit = text.rpartition(mark)
        if found and name.strip() and units.known(unit.strip()):
            return name.strip(), unit.strip()
    head, found, tail = text.rpartition("_")
    if not found:
        head, found, tail = text.rpartition(" ")
    unit = tail if units.known(tail) else facts()["unit_suffixes"].get(tail.casefold(), "")
    # The end of a name is a unit only where the parameter is measured in such: "side_A" is no current.
    if found and unit and any(measured_in(head, word) for word in (unit, facts()["unit_suffixes"].get(tail.casefold(), ""))):
        own = facts()["unit_suffixes"].get(tail.casefold(), "")
        return head, unit if measured_in(head, unit) else own
    return text, ""


def measured_in(name: str, unit: str) -> bool:
    """Say whether a name is that of a parameter whose values can be in a unit."""
    known = vocabulary.parameter(name)
    if known is None:
        _, after = _after_step(name, "")
        known = vocabulary.parameter(after.parameter or after.result) if after is not None and after.of_value else None
    try:
        return known is not None and bool(known.unit) and units.unit(known.unit).quantity == units.unit(unit).quantity
    except MappingError:
        return False


def _role_words() -> frozenset[str]:
    return frozenset(vocabulary.role_words())


def _named(name: str, unit: str) -> Meaning | None:
    """Return what a name without its unit says; a word in brackets is part of it."""
    name = " ".join(_ROUND.sub(" ", name).split())
    field = by_word().get(fold(name))
    if field is not None:
        return Meaning(field=field, unit=unit)
    given = _input(name)
    if given:
        return Meaning(given_input=given)
    found = vocabulary.parameter(name)
    statistic = ""
    if found is None:
        shorter, statistic = _without_statistic(name)
        found = vocabulary.parameter(shorter) if statistic else None
    if found is None:
        return None
    if found.code in facts()["results"] and found.role not in ("setpoint", "limit_low", "limit_high"):
        return Meaning(result=found.code, unit=unit)
    return Meaning(parameter=found.code, unit=unit, role=found.role or "actual", statistic=statistic, index=found.index)


def _without_statistic(name: str) -> tuple[str, str]:
    """Return a name without the word of a statistic before or after it, and that statistic."""
    words = _WORDS.split(name)
    for statistic, known in facts()["statistics"].items():
        folded = {fold(word) for word in known}
        if len(words) > 1 and fold(words[-1]) in folded:
            return " ".join(words[:-1]), statistic
        if len(words) > 1 and fold(words[0]) in folded:
            return " ".join(words[1:]), statistic
    return name, ""


def _input(name: str) -> str:
    """Return what the input is whose lot a column names: "Anode Lot", "Kathodencharge", "负极批次"."""
    whole = fold(name)
    for role, known in facts()["inputs"].items():
        for word in known:
            rest = whole.removeprefix(fold(word))
            if rest != whole and any(by_word().get(rest.removeprefix(joint)) in _LOTS for joint in ("", "n", "s", "en")):
                return str(role)
    return ""


def _after_step(name: str, unit: str) -> tuple[str, Meaning | None]:
    """Return the step that a name begins with and what the rest of it says."""
    words = [word for word in _WORDS.split(name) if word]
    for count in range(len(words) - 1, 0, -1):
        step = vocabulary.step(" ".join(words[:count]))
        made = _named(" ".join(words[count:]), unit) if step is not None else None
        if step is not None and made is not None:
            return step.code, made
    if _CJK.search(name) and len(words) == 1:
        for count in range(len(name) - 1, 0, -1):
            step = vocabulary.step(name[:count])
            made = _named(name[count:], unit) if step is not None else None
            if step is not None and made is not None:
                return step.code, made
    return "", None


def kind_of(name: str) -> str:
    """Return the kind of item that the name of an item's column tells, or ""."""
    whole = fold(name)
    return next((kind for kind, known in facts()["kinds"].items() if any(whole.startswith(fold(word)) for word in known)), "")


def tells_records_apart(name: str) -> bool:
    """Say whether a column of this name tells kinds of rows apart."""
    return fold(name) in {fold(word) for word in facts()["record_types"]}
