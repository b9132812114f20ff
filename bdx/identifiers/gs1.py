"""GS1 keys and the GS1 Digital Link: check digits, parsing into its parts, what is wrong with them, building, the canonical spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote

GTIN_LENGTHS = (8, 12, 13, 14)
CANONICAL_STEM = "https://id.gs1.org"

QUALIFIERS: Mapping[str, tuple[str, ...]] = {
    "01": ("22", "10", "21", "235"),
    "8006": ("22", "10", "21"),
    "8010": ("8011",),
    "414": ("254", "7040"),
    "417": ("7040",),
    "00": (),
    "8003": (),
    "8004": (),
    "8013": (),
}
"""Keys that may name a thing, company or place in a link, each with its qualifiers in the order they must stand in."""

LONGEST: Mapping[str, int] = {"22": 20, "10": 20, "21": 20, "235": 28, "254": 20, "7040": 4, "8011": 12, "8004": 30, "8003": 30}
_DIGITS: Mapping[str, int] = {"00": 18, "01": 14, "414": 13, "417": 13, "8006": 18}
_NAMES: Mapping[str, str] = {"00": "SSCC", "01": "GTIN", "414": "GLN", "417": "GLN", "10": "batch (10)", "21": "serial number (21)"}
_SET_82 = re.compile(r"^[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+$")
_ADDRESS = re.compile(r"^(?P<stem>https?://[^/?#\s]+)(?P<path>/[^?#\s]*)(?:\?(?P<query>[^#\s]*))?(?:#\S*)?$", re.IGNORECASE)


def check_digit(digits: str) -> str:
    """Return the check digit that completes the digits of a GS1 key (modulo 10, weights 3 and 1 from the right).

    Source: GS1 General Specifications, 7.9.
    """
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def _completed(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and check_digit(digits[:-1]) == digits[-1]


def gtin_ok(digits: str) -> bool:
    """Say whether a GTIN has 8, 12, 13 or 14 digits and a sound check digit."""
    return len(digits) in GTIN_LENGTHS and _completed(digits)


def gln_ok(number: str) -> bool:
    """Say whether a global location number has 13 digits and a sound check digit."""
    return len(number) == 13 and _completed(number)


def sscc_ok(number: str) -> bool:
    """Say whether a serial shipping container code has 18 digits and a sound check digit."""
    return len(number) == 18 and _completed(number)


@dataclass(frozen=True, slots=True)
class Link:
    """A GS1 Digital Link in its parts. `stem` is all before the key, `others` what the query says beside GS1 attributes.

    Values are decoded; qualifiers and attributes stand in the order of the address.
    """

    stem: str
    key: str
    value: str
    qualifiers: tuple[tuple[str, str], ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, str], ...] = ()

    @property
    def serial(self) -> str:
        """The serial number (21), empty where there is none."""
        return dict(self.qualifiers).get("21", "")

    @property
    def batch(self) -> str:
        """The batch (10), empty where there is none."""
        return dict(self.qualifiers).get("10", "")


def parse_link(text: str) -> Link | None:
    """Return a GS1 Digital Link in its parts; None where the text is none.

    The key is the last one in the path that is followed by a number of six or more places, so that a date in an address is not taken
    for a GTIN. Compressed links are not read.
    Source: GS1 Digital Link Standard: URI Syntax, 4.
    """
    found = _ADDRESS.match(text.strip())
    if not found:
        return None
    steps = found["path"].split("/")[1:]
    place = next((place for place in reversed(range(len(steps) - 1)) if _begins(steps[place], steps[place + 1])), None)
    if place is None:
        return None
    rest = [unquote(step) for step in steps[place:]]
    pairs = tuple(zip(rest[2::2], rest[3::2], strict=False))
    if len(rest) % 2 and rest[-1]:
        pairs = (*pairs, (rest[-1], ""))
    query = parse_qsl(found["query"] or "", keep_blank_values=True)
    stem = "/".join([found["stem"], *steps[:place]])
    attributes = tuple(item for item in query if item[0].isdigit())
    return Link(stem, rest[0], rest[1], pairs, attributes, tuple(item for item in query if not item[0].isdigit()))


def _begins(key: str, value: str) -> bool:
    return key in QUALIFIERS and (len(value) >= 6 if key not in ("8003", "8004", "8013") else len(value) >= 1)


def faults(link: Link) -> list[str]:
    """Return what is wrong with a link, each in words; nothing where it is sound."""
    found = _value_faults(link)
    order = QUALIFIERS[link.key]
    places = []
    for name, value in link.qualifiers:
        if name not in order:
            found.append(f"'{name}' is no qualifier of {_name(link.key)}")
            continue
        places.append(order.index(name))
        if len(value) > LONGEST[name]:
            found.append(f"{_name(name)} has {len(value)} characters, the most is {LONGEST[name]}")
        elif not _SET_82.match(value):
            found.append(f"{_name(name)} is empty or holds characters outside the set of GS1")
    if places != sorted(set(places)):
        found.append(f"qualifiers of {_name(link.key)} stand in the order {', '.join(order)}, each once")
    return found


def _value_faults(link: Link) -> list[str]:
    length = _DIGITS.get(link.key)
    if length is None:
        return (
            []
            if _SET_82.match(link.value) and len(link.value) <= LONGEST.get(link.key, 30)
            else [f"'{link.value}' is no {_name(link.key)}"]
        )
    if not (link.value.isascii() and link.value.isdigit()):
        return [f"'{link.value}' is no {_name(link.key)}"]
    if len(link.value) != length:
        return [f"{_name(link.key)} has {len(link.value)} digits, expected {length}"]
    number = link.value[:14] if link.key == "8006" else link.value
    return [] if _completed(number) else [f"{_name(link.key)} has a wrong check digit, expected {check_digit(number[:-1])}"]


def _name(key: str) -> str:
    return _NAMES.get(key, f"({key})")


def build_link(link: Link) -> str:
    """Return the address of a link: qualifiers and attributes in the order given, values percent-encoded where the standard asks."""
    steps = [link.key, link.value, *(part for pair in link.qualifiers for part in pair)]
    path = "/".join(quote(step, safe="") for step in steps)
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in (*link.attributes, *link.others))
    return f"{link.stem}/{path}" + (f"?{query}" if query else "")


def battery_link(gtin: str, serial: str, *, stem: str = CANONICAL_STEM, batch: str = "") -> str:
    """Return the Digital Link of one battery; a GTIN of 8, 12 or 13 digits is filled to 14."""
    qualifiers = (*((("10", batch),) if batch else ()), ("21", serial))
    return build_link(Link(stem, "01", gtin.zfill(14), qualifiers))


def normal_link(link: Link) -> Link:
    """Return a link as the standard writes it on its own host: GTIN of 14 digits, qualifiers and attributes in order."""
    order = QUALIFIERS[link.key]
    known = sorted((pair for pair in link.qualifiers if pair[0] in order), key=lambda pair: order.index(pair[0]))
    unknown = [pair for pair in link.qualifiers if pair[0] not in order]
    digits = _DIGITS.get(link.key, 0)
    value = link.value.zfill(digits) if link.key == "01" and link.value.isdigit() else link.value
    scheme, _, rest = link.stem.partition("://")
    host, slash, path = rest.partition("/")
    stem = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    return replace(link, stem=stem, value=value, qualifiers=(*known, *unknown), attributes=tuple(sorted(link.attributes)))


def normalised(text: str) -> str:
    """Return the standard's spelling of a Digital Link on its own host; another text as it is."""
    link = parse_link(text)
    return build_link(normal_link(link)) if link else text


def canonical(text: str) -> str:
    """Return the canonical Digital Link, the same whatever host resolves it; another text without blanks around it.

    What the query holds beside GS1 attributes is left out. Source: GS1 Digital Link Standard: URI Syntax, canonical form.
    """
    link = parse_link(text)
    return build_link(replace(normal_link(link), stem=CANONICAL_STEM, others=())) if link else text.strip()


def link_gtin(text: str) -> str | None:
    """Return what stands as GTIN in a Digital Link; None where the text is no such link."""
    link = parse_link(text)
    return link.value if link and link.key == "01" else None


def link_serial(text: str) -> str | None:
    """Return the serial number (21) in a Digital Link of a product; None where there is none."""
    link = parse_link(text)
    return (link.serial or None) if link and link.key == "01" else None
