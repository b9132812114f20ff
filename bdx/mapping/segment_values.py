"""Single values of production data: numbers, units, times and identifiers as text -> typed values, with remarks on what is odd."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bdx import units
from bdx.canon import Log
from bdx.errors import MappingError, UsageError
from bdx.mapping import Context

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MEMO = 4_096

Number = tuple[float | None, str | None, str | None, str]
"""Value as a number, else as text, canonical unit, quality."""


class Remarks:
    """Counts faults by rule, table and column and keeps the first few values of each, so that one finding names them all."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], tuple[Counter[str], str]] = {}

    def note(self, code: str, table: str, column: str, value: str, locator: str, count: int = 1) -> None:
        """Count a fault."""
        values, _ = self._seen.setdefault((code, table, column), (Counter(), locator))
        name = value.strip()[:40]
        if len(values) >= 200 and name not in values:
            name = ""
        values[name] += count

    def tell(self, log: Log, source: str) -> None:
        """Hand every fault to the log."""
        for (code, table, column), (values, first) in self._seen.items():
            named = [f"'{name}'" for name in values if name]
            shown = ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")
            shown = shown or "(empty)"
            log.find(code, source=source, table=table, column=column, locator=first, count=values.total(), value=shown)


class Values:
    """Parses values of one source; `remarks` counts what is odd about them."""

    def __init__(self, context: Context) -> None:
        self.remarks = Remarks()
        self._zone = _zone(context.options.get("assume_tz"))
        self._times: dict[str, tuple[int | None, str]] = {}
        self._numbers: dict[tuple[str, str, str], Number] = {}
        self._units: dict[tuple[str, str], tuple[str | None, bool, str]] = {}

    def number(self, raw: str, unit: str, expected: str, name: str, table: str, locator: str) -> Number:
        """Return a value in its canonical unit.

        A value whose unit is known and of the expected quantity comes in the expected unit; with another known unit
        in that one; with none or an unknown one as written, without a unit and marked uncertain.
        """
        known = self._numbers.get((raw, unit, expected))
        if known is not None:
            return known
        found = self._number(raw, unit, expected, name, table, locator)
        if found[3] == "good":
            if len(self._numbers) >= _MEMO:
                self._numbers.clear()
            self._numbers[(raw, unit, expected)] = found
        return found

    def _number(self, raw: str, unit: str, expected: str, name: str, table: str, locator: str) -> Number:
        text = raw.strip()
        if not text:
            self.remarks.note("M047", table, "value_num", name, locator)
            return None, None, None, "missing"
        if not expected and text[0] == "0" and text[1:2].isdigit():
            # A leading zero is how identifiers and codes are written, not quantities.
            return None, text, None, "good"
        number, ambiguous = parse(text)
        if number is None:
            if ambiguous:
                self.remarks.note("M046", table, "value_num", text, locator)
            elif expected:
                self.remarks.note("M045", table, "value_num", f"{name}={text}", locator)
            return None, text, None, "uncertain" if ambiguous or expected else "good"
        memo = self._units.get((unit, expected))
        if memo is None:
            memo = self._units[(unit, expected)] = settled_unit(unit.strip(), expected)
        canonical, convert, fault = memo
        if fault:
            self.remarks.note(fault, table, "unit", name if fault == "M042" else unit, locator)
        if convert and canonical is not None:
            number = units.convert(number, unit.strip(), canonical)
        return number, None, canonical, "uncertain" if fault else "good"

    def time(self, raw: str | None, table: str, column: str, locator: str) -> tuple[int | None, str | None]:
        """Return microseconds since 1970 in UTC and where the zone comes from: offset, assumed, date_only, unknown."""
        if raw is None or not raw or raw.isspace():
            return None, None
        known = self._times.get(raw)
        if known is None:
            if len(self._times) >= _MEMO:
                self._times.clear()
            known = self._times[raw] = self._time(raw.strip())
        moment, basis = known
        if moment is None:
            self.remarks.note("M049" if basis == "unreadable" else "M048", table, column, raw, locator)
            return None, "unknown" if basis == "unreadable" else basis
        return moment, basis

    def _time(self, text: str) -> tuple[int | None, str]:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None, "unreadable"
        basis = "offset"
        if moment.tzinfo is None:
            if ":" not in text and "T" not in text:
                return None, "date_only"
            if self._zone is None:
                return None, "unknown"
            moment = moment.replace(tzinfo=self._zone)
            if moment.utcoffset() != moment.replace(fold=1).utcoffset():
                # The hour that a change of clocks repeats or skips: the zone alone does not say when it was.
                return None, "unknown"
            basis = "assumed"
        micros = (moment - _EPOCH) // _MICROSECOND
        # An offset can carry the first or last day of the calendar beyond it.
        return (micros, basis) if _FIRST <= micros <= _LAST else (None, "unreadable")

    def identifier(self, raw: str | None, table: str, column: str, locator: str) -> str | None:
        """Return an identifier without blanks around it, or None where it is empty."""
        if not raw:
            return None
        if raw[0] > " " and raw[-1] > " " and raw.isascii():
            return raw
        text = raw.strip()
        if len(text) != len(raw):
            if not text:
                return None
            self.remarks.note("M050", table, column, text, locator)
        return text


def parse(text: str) -> tuple[float | None, bool]:
    """Return the number a text writes, and whether a comma in it could mean two things.

    A decimal comma is taken for one only where it cannot separate thousands.
    """
    try:
        number = float(text)
    except ValueError:
        return _with_comma(text)
    if number - number != 0 or "_" in text:
        return None, False
    return number, False


def _with_comma(text: str) -> tuple[float | None, bool]:
    whole, comma, fraction = text.rpartition(",")
    digits = whole.lstrip("+-")
    if not comma or not text.isascii():
        return None, False
    if digits.isdigit() and fraction.isdigit():
        thousands = len(fraction) == 3 and 1 <= len(digits) <= 3 and digits[0] != "0"
        return (None, True) if thousands else (float(f"{whole}.{fraction}"), False)
    groups = digits.split(".")
    if fraction.isdigit() and len(groups) > 1 and _grouped(groups):
        return float(f"{whole.replace('.', '')}.{fraction}"), False
    whole, _, fraction = text.rpartition(".")
    groups = whole.lstrip("+-").split(",")
    if fraction.isdigit() and len(groups) > 1 and _grouped(groups):
        return float(f"{whole.replace(',', '')}.{fraction}"), False
    return None, False


def _grouped(groups: list[str]) -> bool:
    return all(group.isdigit() for group in groups) and 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])


def settled_unit(unit: str, expected: str) -> tuple[str | None, bool, str]:
    """Return the canonical unit, whether the number must be converted to it, and the fault if there is one."""
    if not unit:
        return ("1", False, "") if expected == "1" else (None, False, "M042" if expected else "")
    try:
        written = units.unit(unit)
    except MappingError:
        return None, False, "M043"
    if not expected:
        return written.name, False, ""
    wanted = units.unit(expected)
    if written.quantity != wanted.quantity:
        return written.name, False, "M044"
    return wanted.name, written.name != wanted.name, ""


def _zone(name: Any) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"'{name}' is no time zone; expected an IANA name such as Europe/Berlin") from error
