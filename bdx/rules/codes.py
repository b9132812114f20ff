"""Masks over codes and addresses: company numbers, identifiers of the web, dates and texts that only look like values."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from bdx.rules import identifiers
from bdx.rules.checks import Mask
from bdx.rules.register import check
from bdx.spec import Column

_MAIL = re.compile(r"^[^@\s<>()]+@[^@\s<>()]+\.[^@\s<>().]{2,}$")


def _is_text(column: Column) -> bool:
    return column.type == "string"


def _is_time(column: Column) -> bool:
    return column.type in ("date", "timestamp", "local_timestamp")


def _is_free_number(column: Column) -> bool:
    return column.type in ("float64", "int32", "int64") and column.minimum is None


def _asked(texts: pa.Array, bad: Callable[[str], bool]) -> Mask:
    """Return where `bad` holds, asked once per distinct text."""
    coded = texts.dictionary_encode()
    verdicts = [bad(text) for text in coded.dictionary.to_pylist()]
    if not any(verdicts):
        return None
    return pa.array(verdicts, pa.bool_()).take(coded.indices).fill_null(fill_value=False)


# --- companies and places


@check("bad_lei")
def bad_lei(now: pa.Array) -> Mask:
    """Return where a legal entity identifier has a wrong form or wrong check digits."""
    return _asked(now, lambda text: identifiers.names_lei(text) and not identifiers.lei_ok(identifiers.declared(text)[1]))


@check("bad_partner_number")
def bad_partner_number(now: pa.Array) -> Mask:
    """Return where a business partner number is not BPN, its kind and twelve letters or digits."""
    return _asked(now, lambda text: bool(number := identifiers.partner_number(text)) and not identifiers.partner_number_ok(number))


@check("other_partner_kind")
def other_partner_kind(now: pa.Array, *, kinds: str) -> Mask:
    """Return where a well-formed business partner number is of a kind (L, S, A) that is not among `kinds`."""
    return _asked(now, lambda text: identifiers.partner_number_ok(number := identifiers.partner_number(text)) and number[3] not in kinds)


@check("bad_location_number")
def bad_location_number(now: pa.Array) -> Mask:
    """Return where a global location number has a wrong length or check digit."""
    return _asked(now, lambda text: bool(number := identifiers.location_number(text)) and not identifiers.gln_ok(number))


@check("bad_tax_number")
def bad_tax_number(now: pa.Array, *, forms: tuple[str, ...]) -> Mask:
    """Return where a number declared as EORI or VAT has not the form of its scheme; `forms` holds "DE <regular expression>"."""
    by_country = _by_country(forms)

    def bad(text: str) -> bool:
        scheme, number = identifiers.declared(text)
        if scheme == "vat":
            return not identifiers.vat_ok(number, by_country)
        return scheme == "eori" and not identifiers.eori_ok(number)

    return _asked(now, bad)


@cache
def _by_country(forms: tuple[str, ...]) -> dict[str, str]:
    return {form[:2]: form[3:] for form in forms}


@check("bad_mail_address", applies=_is_text)
def bad_mail_address(now: pa.Array) -> Mask:
    """Return where a mail address lacks its @, a dot in its domain, or holds blanks."""
    return _asked(now, lambda text: _MAIL.match(text.strip()) is None)


# --- identifiers of the web and of products


@check("bad_did", applies=_is_text)
def bad_did(now: pa.Array) -> Mask:
    """Return where a text begins as a decentralised identifier and does not go on as one."""
    return _asked(now, lambda text: not identifiers.did_ok(text))


@check("bad_urn", applies=_is_text)
def bad_urn(now: pa.Array) -> Mask:
    """Return where a text begins as a URN and does not go on as one."""
    return _asked(now, lambda text: not identifiers.urn_ok(text))


@check("bad_traction_code")
def bad_traction_code(now: pa.Array) -> Mask:
    """Return where a Chinese traction battery code has not the form of its standard."""
    return _asked(now, lambda text: not identifiers.traction_code_ok(text))


@check("like", applies=_is_text)
def like(now: pa.Array, *, pattern: str) -> Mask:
    """Return where a regular expression, without regard to case, matches somewhere in a text."""
    found = pc.match_substring_regex(now, pattern, ignore_case=True)
    return found if found.true_count else None


@check("unlike", applies=_is_text)
def unlike(now: pa.Array, *, pattern: str) -> Mask:
    """Return where a text does not match a regular expression."""
    return pc.invert(pc.match_substring_regex(now, pattern))


# --- stand-ins for values


@check("year_outside", applies=_is_time)
def year_outside(now: pa.Array, *, first: int, last: int) -> Mask:
    """Return where the year of a date or time is before `first` or after `last`."""
    years = pc.year(now)
    return pc.or_(pc.less(years, first), pc.greater(years, last))


@check("number_of", applies=_is_free_number)
def number_of(now: pa.Array, *, values: tuple[str, ...]) -> Mask:
    """Return where a number is one of `values`, written as text; columns with a minimum have their own rule."""
    return pc.is_in(now, pa.array([float(value) for value in values], pa.float64()).cast(now.type, safe=False))


@check("word_of", applies=_is_text)
def word_of(now: pa.Array, *, words: tuple[str, ...]) -> Mask:
    """Return where a text, without regard to case and blanks around it, is one of `words`."""
    return _asked(now, lambda text: text.strip().casefold() in words)
