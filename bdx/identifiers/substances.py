"""Numbers of chemical substances: CAS registry numbers and numbers of the EC inventory."""

from __future__ import annotations

import re

_CAS = re.compile(r"^(\d{2,7})-(\d{2})-(\d)$", re.ASCII)
_EC = re.compile(r"^(\d{3})-(\d{3})-(\d)$", re.ASCII)


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


def kind_of(text: str) -> str:
    """Return what a number is by its form and check digit: CAS, EC, or nothing."""
    return "CAS" if cas_ok(text) else "EC" if ec_ok(text) else ""
