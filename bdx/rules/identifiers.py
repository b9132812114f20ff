"""Check digits and grammar of product, substance and company identifiers; pure functions of one text."""

from __future__ import annotations

import re
from urllib.parse import unquote

_DIGITAL_LINK = re.compile(r"^https?://[^/\s]+(?:/[^?#\s]*)?/01/(?P<gtin>[^/?#]+)(?P<rest>[^?#]*)")
_SERIAL = re.compile(r"/21/(?P<serial>[^/?#]+)")
_CAS = re.compile(r"^(\d{2,7})-(\d{2})-(\d)$")
_EC = re.compile(r"^(\d{3})-(\d{3})-(\d)$")
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
