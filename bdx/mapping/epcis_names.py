"""Identifiers and words of EPCIS: what a URI names and how fine, bare words and CURIEs, and URIs for what has none."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from bdx.identifiers import gs1
from bdx.spec import Facts

_URI = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):[!#-;=?-Z\[\]_a-z~]+$")
_EPC = re.compile(r"^urn:epc:(id|class|idpat):([a-z]+):(.*)$", re.IGNORECASE)
_PREFIXED = re.compile(r"^[A-Za-z][\w.-]*:\S")


class Named(NamedTuple):
    """What an identifier names: the id of the item, how fine it is, its product, lot and serial number."""

    item_id: str
    granularity: str | None = None
    gtin: str | None = None
    lot: str | None = None
    serial: str | None = None
    whole_class: bool = False


class Names:
    """Reads and makes the identifiers of one mapping."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._urn = facts["urn"]
        self._prefixes = sorted(facts["words"]["prefixes"], key=len, reverse=True)
        self.named = lru_cache(maxsize=16_384)(self._named)
        self.word = lru_cache(maxsize=4_096)(self._word)

    def _named(self, uri: str) -> Named:
        """Return what the URI of an object or of a class of objects names."""
        own = self.own(uri, "item")
        if own is not None:
            return Named(own)
        epc = _EPC.match(uri)
        if epc is not None:
            return self._of_epc(uri, epc[1].lower(), epc[2].lower(), epc[3])
        link = gs1.parse_link(uri)
        if link is None:
            return Named(uri)
        qualifiers = dict(link.qualifiers)
        lot, serial = qualifiers.get("10"), qualifiers.get("21")
        gtin = link.value if link.key == "01" else None
        fine = "serial" if serial else "lot" if lot else self._facts["keys"].get(link.key)
        return Named(
            uri, fine, gtin, lot, serial or (link.value if fine == "serial" and not gtin else None), bool(gtin) and not (lot or serial)
        )

    def _of_epc(self, uri: str, kind: str, scheme: str, rest: str) -> Named:
        facts = self._facts["schemes"].get(scheme)
        if facts is None:
            return Named(uri)
        names = facts["parts"]
        parts = dict(zip(names, rest.split(".", max(len(names) - 1, 0)), strict=False)) if names else {}
        gtin = _gtin(parts.get("prefix", ""), parts.get("item", ""))
        last = parts.get(names[-1]) if names else None
        if kind == "idpat" or last == "*":
            return Named(uri, None, gtin, whole_class=True)
        lot = unquote(parts["lot"]) if "lot" in parts else None
        serial = unquote(parts["serial"]) if facts["granularity"] == "serial" and "serial" in parts else None
        return Named(uri, facts["granularity"], gtin, lot, serial)

    def own(self, uri: str, kind: str) -> str | None:
        """Return the text that one of our own URNs stands for, None for any other URI."""
        prefix: str = self._urn[kind]
        return unquote(uri[len(prefix) :]) if uri.startswith(prefix) else None

    def uri(self, text: str, kind: str) -> tuple[str, bool]:
        """Return a URI for an identifier, and whether it is one of our own making."""
        found = _URI.match(text)
        if found is not None and found[1].lower() in self._facts["writing"]["schemes"]:
            return text, False
        return self._urn[kind] + quote(text, safe="-._~"), True

    def _word(self, text: str) -> str:
        """Return a word of the Core Business Vocabulary without the prefix or address it was written with."""
        found = next((prefix for prefix in self._prefixes if text.startswith(prefix)), None)
        while found:
            text = text[len(found) :]
            found = next((prefix for prefix in self._prefixes if text.startswith(prefix)), None)
        return text

    def is_standard(self, text: str, kind: str) -> bool:
        """Say whether a text is a standard word, or in a namespace of its own."""
        word = self.word(text)
        return word in self._facts["words"][kind] or (word == text and prefixed(text))


def prefixed(text: str) -> bool:
    """Say whether a name has a prefix or is a URI."""
    return _PREFIXED.match(text) is not None


def last_part(uri: str) -> str:
    """Return the last word of a URI or prefixed name."""
    return unquote(re.split(r"[/#:]", uri.rstrip("/#:"))[-1])


def gln(uri: str) -> str | None:
    """Return the global location number in the URI of a place, None where there is none."""
    epc = _EPC.match(uri)
    if epc is not None and epc[2].lower() in ("sgln", "pgln"):
        digits = "".join(epc[3].split(".")[:2])
        return digits + gs1.check_digit(digits) if len(digits) == 12 and digits.isascii() and digits.isdigit() else None
    link = gs1.parse_link(uri)
    return link.value if link is not None and link.key in ("414", "417") else None


def text_of(value: Any) -> str | None:
    """Return a text that is not blank, or the text of an object's id; None for anything else."""
    if isinstance(value, dict):
        value = value.get("id", value.get("@id"))
    return value.strip() or None if isinstance(value, str) else None


def _gtin(prefix: str, item: str) -> str | None:
    """Return the GTIN of a company prefix and an item reference, whose first digit goes to the front."""
    digits = item[:1] + prefix + item[1:]
    return digits + gs1.check_digit(digits) if len(digits) == 13 and digits.isascii() and digits.isdigit() else None
