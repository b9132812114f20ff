"""Codes of goods and of serialised items: customs headings, ISO/IEC 15459 item codes, Chinese traction battery codes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bdx.identifiers import traction

_COMMODITY = re.compile(r"^\d{4}(?:\d{2}){0,3}$", re.ASCII)
_ITEM = re.compile(r"^(?:\[\)>\x1e06\x1d)?(?P<data>25S|25P|25T)(?P<code>.*?)(?:\x1e\x04)?$", re.DOTALL)
_AGENCY = re.compile(r"^(?:[0-9]|[A-J]|[KLMNOPQRSTU][A-Z]|[VWXYZ][A-Z]{2})")
_CODE = re.compile(r"^[A-Z0-9][A-Z0-9./-]*$")
LONGEST_ITEM = 50
"""Places of an item code that readers of all sectors take."""


def commodity(text: str) -> str:
    """Return a customs code as bare digits (HS 6, CN 8, TARIC 10), empty where the text is none; points and blanks are left out."""
    bare = re.sub(r"[\s.]", "", text)
    return bare if _COMMODITY.match(bare) else ""


@dataclass(frozen=True, slots=True)
class ItemCode:
    """An ISO/IEC 15459 identifier: data identifier, code of the issuing agency, and what the agency's member numbers."""

    data: str
    agency: str
    rest: str


def item_code(text: str) -> ItemCode | None:
    """Return an ISO/IEC 15459 identifier in its parts; None where a text does not begin as one, by its data identifier."""
    found = _ITEM.match(text.strip())
    if not found:
        return None
    agency = _AGENCY.match(found["code"])
    return ItemCode(found["data"], agency[0] if agency else "", found["code"][len(agency[0]) if agency else 0 :])


def item_code_faults(code: ItemCode) -> list[str]:
    """Return what is wrong with an ISO/IEC 15459 identifier; nothing where it is sound.

    Source: ISO/IEC 15459-3 (capital letters, digits, point, hyphen, stroke) and 15459-4; agency UN is followed by a DUNS number.
    """
    whole = code.agency + code.rest
    faults = []
    if not code.agency:
        faults.append("no agency has such a code")
    if not _CODE.match(whole):
        faults.append("only capital letters, digits, point, hyphen and stroke may stand in it")
    if len(whole) > LONGEST_ITEM:
        faults.append(f"it has {len(whole)} places, the most is {LONGEST_ITEM}")
    if code.agency == "UN" and not re.match(r"\d{9}.", code.rest, re.ASCII):
        faults.append("after UN a DUNS number of nine digits and a serial number are expected")
    if code.agency and len(code.rest) < 2:
        faults.append("nothing follows the agency")
    return faults


def traction_code_ok(text: str) -> bool:
    """Say whether a text is a Chinese traction battery code, by the facts that also read and make such codes.

    Codes of 18 places, which some batteries used again have, are judged by their letters alone. Source: GB/T 34014-2017.
    """
    return not traction.faults(text.strip())
