"""Masks over codes and addresses: company numbers, identifiers of the web, dates and texts that only look like values."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from bdx.identifiers import companies, goods, gs1, substances, web
from bdx.rules.checks import Mask, Told
from bdx.rules.register import check
from bdx.spec import Column

_MAIL = re.compile(r"^[^@\s<>()]+@[^@\s<>()]+\.[^@\s<>().]{2,}$")


def _is_text(column: Column) -> bool:
    return column.type == "string"


def _is_time(column: Column) -> bool:
    return column.type in ("date", "timestamp", "local_timestamp")


def _is_free_number(column: Column) -> bool:
    return column.type in ("float64", "int32", "int64") and column.minimum is None


def _asked(texts: pa.Array, bad: Callable[[str], bool], among: pa.Array | None = None) -> Mask:
    """Return where `bad` holds, asked once per distinct text that `among` holds."""
    asked = texts if among is None else texts.filter(among)
    odd = [text for text in pc.unique(asked).to_pylist() if text is not None and bad(text)]
    return pc.is_in(texts, pa.array(odd, pa.string())) if odd else None


def _begun(texts: pa.Array, begin: str, sound: str) -> pa.Array | None:
    """Return where a text begins in a way and is not plainly sound, whatever the case and blanks; None where none is."""
    begun = pc.starts_with(pc.utf8_ltrim_whitespace(texts), begin, ignore_case=True).fill_null(fill_value=False)
    if not begun.true_count:
        return None
    rest = pc.and_not(begun, pc.match_substring_regex(texts, sound).fill_null(fill_value=False))
    return rest if rest.true_count else None


# --- companies and places


@check("bad_lei", texts=True)
def bad_lei(now: pa.Array) -> Mask:
    """Return where a legal entity identifier has a wrong form or wrong check digits."""
    return _asked(now, lambda text: companies.names_lei(text) and not companies.lei_ok(companies.declared(text)[1]))


@check("bad_partner_number", texts=True)
def bad_partner_number(now: pa.Array) -> Mask:
    """Return where a business partner number is not BPN, its kind and twelve letters or digits."""
    return _asked(now, lambda text: bool(number := companies.partner_number(text)) and not companies.partner_number_ok(number))


@check("other_partner_kind", texts=True)
def other_partner_kind(now: pa.Array, *, kinds: str) -> Mask:
    """Return where a well-formed business partner number is of a kind (L, S, A) that is not among `kinds`."""
    return _asked(now, lambda text: companies.partner_number_ok(number := companies.partner_number(text)) and number[3] not in kinds)


@check("bad_location_number", texts=True)
def bad_location_number(now: pa.Array) -> Mask:
    """Return where a global location number has a wrong length or check digit."""
    return _asked(now, lambda text: bool(number := companies.location_number(text)) and not gs1.gln_ok(number))


@check("bad_tax_number", texts=True)
def bad_tax_number(now: pa.Array, *, forms: tuple[str, ...], customs: tuple[str, ...] = ()) -> Mask:
    """Return where a number declared as EORI or VAT has not the form of its scheme.

    `forms` holds "DE regular expression" for VAT, `customs` the countries that give out EORI numbers.
    """
    by_country = _by_country(forms)

    def bad(text: str) -> bool:
        scheme, number = companies.declared(text)
        if scheme == "vat":
            return not companies.vat_ok(number, by_country)
        return scheme == "eori" and not companies.eori_ok(number, customs)

    return _asked(now, bad)


@check("bad_company_number", texts=True)
def bad_company_number(now: pa.Array) -> Mask:
    """Return where a number declared as DUNS has not nine digits."""
    return _asked(now, lambda text: companies.declared(text)[0] == "duns" and not companies.duns_ok(companies.declared(text)[1]))


@cache
def _by_country(forms: tuple[str, ...]) -> dict[str, str]:
    return {form[:2]: form[3:] for form in forms}


@check("bad_mail_address", applies=_is_text, texts=True)
def bad_mail_address(now: pa.Array) -> Mask:
    """Return where a mail address lacks its @, a dot in its domain, or holds blanks."""
    return _asked(now, lambda text: _MAIL.match(text.strip()) is None)


# --- identifiers of the web and of products


@check("bad_did", applies=_is_text, texts=True)
def bad_did(now: pa.Array) -> Mask:
    """Return where a text begins as a decentralised identifier and does not go on as one."""
    rest = _begun(now, "did:", r"^did:[a-z0-9]+(?::[A-Za-z0-9._-]+)+$")
    return None if rest is None else _asked(now, lambda text: not web.did_ok(text), rest)


@check("bad_urn", applies=_is_text, texts=True)
def bad_urn(now: pa.Array) -> Mask:
    """Return where a text begins as a URN and does not go on as one."""
    rest = _begun(now, "urn:", r"^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
    return None if rest is None else _asked(now, lambda text: not web.urn_ok(text), rest)


@check("bad_traction_code", texts=True)
def bad_traction_code(now: pa.Array) -> Mask:
    """Return where a Chinese traction battery code has not the form of its standard."""
    return _asked(now, lambda text: not goods.traction_code_ok(text))


@check("like", applies=_is_text, texts=True)
def like(now: pa.Array, *, pattern: str) -> Mask:
    """Return where a regular expression, without regard to case, matches somewhere in a text."""
    found = pc.match_substring_regex(now, pattern, ignore_case=True)
    return found if found.true_count else None


@check("unlike", applies=_is_text, texts=True)
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


@check("word_of", applies=_is_text, texts=True)
def word_of(now: pa.Array, *, words: tuple[str, ...]) -> Mask:
    """Return where a text, without regard to case and blanks around it, is one of `words`."""
    return _asked(now, lambda text: text.strip().casefold() in words)


@check("random_letters", applies=_is_text, texts=True)
def random_letters(now: pa.Array, *, least: int) -> Mask:
    """Return where a text is one run of `least` or more letters whose case changes at random, as generators of test data write."""
    runs = pc.match_substring_regex(now, rf"^[A-Za-z]{{{least},}}$").fill_null(fill_value=False)
    return _asked(now, _random, runs) if runs.true_count else None


def _random(text: str) -> bool:
    """Say whether capitals make up a third to two thirds of a text, come in runs, and small letters stand alone among them."""
    capitals = sum(letter.isupper() for letter in text) / len(text)
    runs, lone = re.findall(r"[A-Z]{2,}", text), re.findall(r"(?<![a-z])[a-z](?![a-z])", text)
    return 0.3 < capitals < 0.7 and len(runs) >= 2 and len(lone) >= 2


@check("bad_substance_number")
def bad_substance_number(now: pa.Array, kind: pa.Array) -> Told:
    """Return where a number declared as CAS or EC has a wrong form or check digit, and what else it is."""
    sound = {"CAS": substances.cas_ok, "EC": substances.ec_ok}
    pairs = pc.binary_join_element_wise(kind, now, "\x1f")
    odd: dict[str, str] = {}
    for pair in pc.unique(pairs).to_pylist():
        scheme, _, text = (pair or "").partition("\x1f")
        if scheme in sound and not sound[scheme](text):
            other = substances.kind_of(text)
            odd[pair] = f"; it is a sound {other} number" if other else ""
    if not odd:
        return None
    place = pc.index_in(pairs, pa.array(list(odd), pa.string()))
    return pc.is_valid(place), {"advice": pa.array(list(odd.values()), pa.string()).take(place)}
