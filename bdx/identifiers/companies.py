"""Numbers of companies and their sites: LEI, Catena-X business partner numbers, EORI, VAT, DUNS and GLN, by scheme or by form."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from bdx.identifiers.gs1 import parse_link

_PREFIXED = re.compile(r"^(?:urn:)?(?P<scheme>lei|bpn|eori|vat|gln|duns)(?::id)?[:\s]\s*(?P<number>.+)$", re.IGNORECASE)
_LEI = re.compile(r"^[A-Z0-9]{18}[0-9]{2}$")
_BPN = re.compile(r"^BPN[LSA][A-Za-z0-9]{12}$")
_BPN_BEGUN = re.compile(r"^BPN[LSA]", re.IGNORECASE)
_EORI = re.compile(r"^[A-Z]{2}[A-Z0-9]{1,15}$")
_DUNS = re.compile(r"^\d{9}$", re.ASCII)


def declared(text: str) -> tuple[str, str]:
    """Return the scheme that a company number names for itself ("urn:lei:...", "VAT: ...") in lower case, and the number.

    The scheme is "" where the text names none.
    """
    found = _PREFIXED.match(text.strip())
    return (found["scheme"].lower(), found["number"].strip()) if found else ("", text.strip())


def lei_ok(number: str) -> bool:
    """Say whether a legal entity identifier has 20 places and remainder 1 modulo 97 (letters count from A = 10).

    Source: ISO 17442-1; ISO/IEC 7064, MOD 97-10.
    """
    return bool(_LEI.match(number)) and int("".join(str(int(place, 36)) for place in number)) % 97 == 1


def lei_check_digits(begin: str) -> str:
    """Return the two check digits that complete the first 18 places of a legal entity identifier."""
    return f"{98 - int(''.join(str(int(place, 36)) for place in begin + '00')) % 97:02d}"


def names_lei(text: str) -> bool:
    """Say whether a text is given as a legal entity identifier, by its scheme or by its form of 20 places with letters."""
    scheme, number = declared(text)
    return scheme == "lei" or (not scheme and bool(_LEI.match(number)) and not number.isdigit())


def partner_number(text: str) -> str:
    """Return the Catena-X business partner number a text holds, "" where it holds none.

    Spellings in use: bare, urn:bpn:BPNL..., urn:bpn:id:BPNL... and urn:BPNL...
    """
    scheme, number = declared(text)
    bare = number if scheme in ("bpn", "") else ""
    bare = bare[4:] if bare.lower().startswith("urn:") else bare
    return bare if _BPN_BEGUN.match(bare) else ""


def partner_number_ok(number: str) -> bool:
    """Say whether a business partner number is BPN, the kind L, S or A, and twelve letters or digits; no check digit is published."""
    return bool(_BPN.match(number))


def location_number(text: str) -> str:
    """Return what a text gives as global location number, by its scheme or in a GS1 Digital Link (414, 417); "" for none."""
    scheme, number = declared(text)
    if scheme == "gln":
        return number
    link = parse_link(text)
    return link.value if link and link.key in ("414", "417") else ""


def eori_ok(number: str, countries: Container[str] = ()) -> bool:
    """Say whether a number is a country and up to 15 letters or digits, of one of `countries` where some are given.

    Source: Regulation (EU) 2015/2446, Annex 12-01.
    """
    bare = number.replace(" ", "")
    return bool(_EORI.match(bare)) and (not countries or bare[:2] in countries)


def vat_ok(number: str, forms: Mapping[str, str]) -> bool:
    """Say whether a VAT number has the form of its country, a regular expression by country; of other countries it is not judged."""
    bare = re.sub(r"[\s.-]", "", number).upper()
    form = forms.get(bare[:2])
    return re.fullmatch(form, bare[2:]) is not None if form else True


def duns_ok(number: str) -> bool:
    """Say whether a DUNS number has nine digits, which may be grouped 2-3-4; it has had no check digit since 2006."""
    return bool(_DUNS.match(number.replace("-", "").replace(" ", "")))
