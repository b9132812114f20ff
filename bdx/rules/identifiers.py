"""Check digits and grammar of product, substance and company identifiers; pure functions of one text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

_DIGITAL_LINK = re.compile(r"^https?://[^/\s]+(?:/[^?#\s]*)?/01/(?P<gtin>[^/?#]+)(?P<rest>[^?#]*)")
_SERIAL = re.compile(r"/21/(?P<serial>[^/?#]+)")
_CAS = re.compile(r"^(\d{2,7})-(\d{2})-(\d)$")
_EC = re.compile(r"^(\d{3})-(\d{3})-(\d)$")
_PREFIXED = re.compile(r"^(?:urn:)?(?P<scheme>lei|bpn|eori|vat|gln|duns)(?::id)?[:\s]\s*(?P<number>.+)$", re.IGNORECASE)
_LEI = re.compile(r"^[A-Z0-9]{18}[0-9]{2}$")
_BPN = re.compile(r"^BPN[LSA][A-Za-z0-9]{12}$")
_BPN_BEGUN = re.compile(r"^BPN[LSA]", re.IGNORECASE)
_EORI = re.compile(r"^[A-Z]{2}[A-Z0-9]{1,15}$")
_GLN_LINK = re.compile(r"^https?://[^?#]*/(?:414|417)/(?P<gln>[^/?#]+)")
_DID = re.compile(r"^did:[a-z0-9]+:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}|:(?!$|[/?#]))+(?:[/?#]\S*)?$")
_URN = re.compile(r"^urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})+(?:[?#]\S*)?$", re.IGNORECASE)
_UUID = re.compile(r"^urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?:[?#]\S*)?$", re.IGNORECASE)
_TRACTION = re.compile(r"^[0-9A-HJ-NP-Z]{3}[PMC][0-9A-HJ-NP-Z]{11}[1-9A-C][0-9A-HJ-NP-Z]{8}$")
_TRACTION_REUSED = re.compile(r"^[0-9A-HJ-NP-Z]{18,19}$")
GTIN_LENGTHS = (8, 12, 13, 14)


def gtin_ok(digits: str) -> bool:
    """Say whether a GTIN has a legal length and check digit (modulo 10, weights 3 and 1 from the right).

    Source: GS1 General Specifications, 7.9.
    """
    if len(digits) not in GTIN_LENGTHS or not (digits.isascii() and digits.isdigit()):
        return False
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def digital_link_gtin(text: str) -> str | None:
    """Return what stands as GTIN in a GS1 Digital Link; None where the text is no such link.

    Source: GS1 Digital Link Standard: URI Syntax, 4.
    """
    found = _DIGITAL_LINK.match(text.strip())
    return found["gtin"] if found else None


def digital_link_serial(text: str) -> str | None:
    """Return the serial number (21) in a GS1 Digital Link, percent-decoded; None where there is none."""
    found = _DIGITAL_LINK.match(text.strip())
    serial = _SERIAL.search(found["rest"]) if found else None
    return unquote(serial["serial"]) if serial else None


def product_link_ok(text: str) -> bool:
    """Say whether a text is no GS1 Digital Link, or one with a sound 14-digit GTIN."""
    gtin = digital_link_gtin(text)
    return gtin is None or (len(gtin) == 14 and gtin_ok(gtin))


def cas_ok(text: str) -> bool:
    """Say whether a CAS registry number is well formed and its check digit right (weights 1, 2, 3 ... from the right)."""
    found = _CAS.match(text.strip())
    if not found:
        return False
    digits = found[1] + found[2]
    return sum(int(digit) * place for place, digit in enumerate(reversed(digits), 1)) % 10 == int(found[3])


def ec_ok(text: str) -> bool:
    """Say whether an EC inventory number is well formed and its check digit right (modulo 11, weights 1 to 6)."""
    found = _EC.match(text.strip())
    if not found:
        return False
    digits = found[1] + found[2]
    return sum(int(digit) * place for place, digit in enumerate(digits, 1)) % 11 == int(found[3])


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


def gln_ok(number: str) -> bool:
    """Say whether a global location number has 13 digits and a sound check digit."""
    return len(number) == 13 and gtin_ok(number)


def location_number(text: str) -> str:
    """Return what a text gives as global location number, by its scheme or in a GS1 Digital Link (414, 417); "" for none."""
    scheme, number = declared(text)
    if scheme == "gln":
        return number
    found = _GLN_LINK.match(text.strip())
    return found["gln"] if found else ""


def eori_ok(number: str) -> bool:
    """Say whether a number is a country and up to 15 letters or digits.

    Source: Regulation (EU) 2015/2446, Annex 12-01.
    """
    return bool(_EORI.match(number.replace(" ", "")))


def vat_ok(number: str, forms: Mapping[str, str]) -> bool:
    """Say whether a VAT number has the form of its country, a regular expression by country; of other countries it is not judged."""
    bare = re.sub(r"[\s.-]", "", number).upper()
    form = forms.get(bare[:2])
    return re.fullmatch(form, bare[2:]) is not None if form else True


def did_ok(text: str) -> bool:
    """Say whether a text is no decentralised identifier, or one of the W3C syntax."""
    bare = text.strip()
    return not bare.lower().startswith("did:") or _DID.match(bare) is not None


def urn_ok(text: str) -> bool:
    """Say whether a text is no URN, or one of RFC 8141, and with urn:uuid: a UUID of RFC 9562."""
    bare = text.strip()
    if not bare.lower().startswith("urn:"):
        return True
    return (_UUID if bare.lower().startswith("urn:uuid:") else _URN).match(bare) is not None


def traction_code_ok(text: str) -> bool:
    """Say whether a Chinese traction battery code has 24 places without I and O: fourth P, M or C, sixteenth a month.

    Codes of reused batteries have 18 or 19 places and are not judged further. Source: GB/T 34014-2017.
    """
    bare = text.strip()
    return bool(_TRACTION.match(bare) or _TRACTION_REUSED.match(bare))
