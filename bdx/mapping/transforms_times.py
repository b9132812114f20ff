"""Dates, moments and periods of documents, in ISO 8601; canonical ones count days or microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from bdx.mapping.transforms_base import Fault, Options, Transform
from bdx.spec import Column, Facts

EPOCH = date(1970, 1, 1)
_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?")


def _calendar(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Fault("M004", "a date of the calendar") from error


def _days(raw: Any) -> int:
    """Return a date text, or the date of a timestamp text, as days."""
    if type(raw) is not str:
        raise Fault("M001", "a date as YYYY-MM-DD")
    found = _TIME.fullmatch(raw)
    if found is None and not _DATE.fullmatch(raw):
        raise Fault("M004", "a date as YYYY-MM-DD")
    return (_calendar(found[1] if found else raw) - EPOCH).days


def _date_text(days: int) -> str:
    return (EPOCH + timedelta(days=days)).isoformat()


def calendar_date(column: Column, facts: Facts, options: Options) -> Transform:
    """A date as YYYY-MM-DD; the date of a timestamp is read too."""
    return Transform(_days, _date_text, "word", lambda array: array.cast(pa.string()).to_pylist())


def read_time(raw: Any, zone: str) -> int:
    """Return an ISO 8601 time as microseconds since 1970; Fault where it is none, or has no zone and `zone` names none."""
    if type(raw) is not str:
        raise Fault("M001", "a time as YYYY-MM-DDThh:mm:ssZ")
    found = _TIME.fullmatch(raw)
    if found is None:
        raise Fault("M004", "a time as YYYY-MM-DDThh:mm:ssZ")
    try:
        moment = datetime.fromisoformat(raw)
        if moment.tzinfo is None:
            if not zone:
                raise Fault("M005", "a time with its zone, as Z or +01:00")
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        return (moment - _INSTANT) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise Fault("M004", "a time of the calendar") from error


def time_text(micros: int) -> str:
    """Return microseconds since 1970 as ISO 8601 in UTC, without needless zeros."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = (_INSTANT + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")
    return f"{text}.{fraction:06d}".rstrip("0") + "Z" if fraction else text + "Z"


def _time_column(array: pa.Array) -> list[Any]:
    """Return a timestamp column as ISO texts, made by Arrow at once: six decimals cut to what they say."""
    if array.null_count == len(array):
        return [None] * len(array)
    text = pc.strftime(array.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")
    short = pc.utf8_rtrim(pc.utf8_rtrim(text, characters="0"), characters=".")
    return pc.binary_join_element_wise(short, "Z", "").to_pylist()  # type: ignore[no-any-return]


def timestamp(column: Column, facts: Facts, options: Options) -> Transform:
    """A moment as ISO 8601 with its zone, written in UTC."""
    return Transform(lambda raw: read_time(raw, options.assume_tz), time_text, "word", _time_column)


def day(column: Column, facts: Facts, options: Options) -> Transform:
    """A timestamp the model gives as a date only: the start of that day in UTC."""

    def write(micros: int) -> str:
        return _date_text(micros // 86_400_000_000)

    return Transform(lambda raw: _days(raw) * 86_400_000_000, write, "word", part=True)


def date_time(column: Column, facts: Facts, options: Options) -> Transform:
    """A date that the model gives as a timestamp: read as the date it names, written as the start of that day in UTC."""

    def column_of(array: pa.Array) -> list[Any]:
        return pc.binary_join_element_wise(array.cast(pa.string()), "T00:00:00Z", "").to_pylist()  # type: ignore[no-any-return]

    return Transform(_days, lambda days: _date_text(days) + "T00:00:00Z", "word", column_of)


_MONTH_OF_YEAR = re.compile(r"--(0[1-9]|1[0-2])(Z|[+-]\d{2}:\d{2})?")


def month_of_year(column: Column, facts: Facts, options: Options) -> Transform:
    """A number of months in the form of a month of the year (gMonth), which ends at twelve."""

    def read(raw: Any) -> int:
        found = _MONTH_OF_YEAR.fullmatch(raw) if type(raw) is str else None
        if found is None:
            raise Fault("M001", "a number of months as --01 to --12")
        return int(found[1])

    return Transform(read, lambda value: f"--{value:02d}" if 1 <= value <= 12 else None, "word", limit="more than twelve months")


_YEAR_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])(Z|[+-]\d{2}:\d{2})?")


def year_month(column: Column, facts: Facts, options: Options) -> Transform:
    """A date that the model gives as a month (gYearMonth), until the end of which something holds: the last day of that month."""

    def read(raw: Any) -> int:
        if type(raw) is not str:
            raise Fault("M001", "a month as YYYY-MM")
        found = _YEAR_MONTH.fullmatch(raw)
        if found is None or found[1] == "0000":
            raise Fault("M004", "a month as YYYY-MM")
        year, month = int(found[1]), int(found[2])
        return (date(year, month, monthrange(year, month)[1]) - EPOCH).days

    return Transform(read, lambda days: _date_text(days)[:7], "word", part=True)


_PERIOD = re.compile(r"P(?=\d)(?:(\d{1,15})Y)?(?:(\d{1,15})M)?")


def months(column: Column, facts: Facts, options: Options) -> Transform:
    """A period of years and months, as P96M."""

    def read(raw: Any) -> int:
        found = _PERIOD.fullmatch(raw) if type(raw) is str else None
        if found is None:
            raise Fault("M001", "a period in years and months, as P96M")
        return int(found[1] or 0) * 12 + int(found[2] or 0)

    return Transform(read, lambda value: f"P{value}M" if value >= 0 else None, "word")
