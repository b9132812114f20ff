"""Two values of one attribute of one battery: which one stands, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bdx.canon import Log
from bdx.derive.claims import MOST_TOLD, PREFERRED, Claim, Terms
from bdx.derive.tolerance import agree, percent

_WORDS = {"derived": "derived from production"}


@dataclass(slots=True)
class Value:
    """A value with the claim it came from, the derivation that made it, and what that rests on."""

    value: Any
    claim: Claim
    by: str = ""
    inputs: str = ""
    rows: str = ""
    version: str = ""


def standing(old: Value, new: Value, battery: str, place: tuple[str, str], log: Log, terms: Terms) -> Value:
    """Return the one of two values that stands: that of higher rank, else the one that was there.

    `place` is table and column. Values that disagree beyond the tolerance are a finding (M061), one that gives way to another
    that agrees with it is one too (M064).
    """
    share = terms.tolerance.of(*place)
    turned = new.claim.rank > old.claim.rank
    if not agree(old.value, new.value, share):
        _disagree(battery, place, old, new, log, terms)
    elif turned and old.value != new.value:
        _replaced(battery, place, old, new, log, share)
    return new if turned else old


def why_kept(kept: Claim, other: Claim) -> str:
    """Return why the value of one claim stays where two disagree."""
    if kept.rank >= PREFERRED > other.rank or kept.rank > other.rank >= PREFERRED:
        return "as --prefer asks"
    if kept.rank > other.rank:
        return f"{_WORDS.get(kept.method, kept.method)} before {_WORDS.get(other.method, other.method)}"
    return "of the source named first"


def _disagree(battery: str, place: tuple[str, str], old: Value, new: Value, log: Log, terms: Terms) -> None:
    """Tell that two sources give one attribute different values: which, where, which one is kept and why."""
    table, column = place
    kept, other = (new, old) if new.claim.rank > old.claim.rank else (old, new)
    facts = {
        "value": new.value,
        "at": _at(new),
        "battery": battery,
        "other": old.value,
        "other_source": old.claim.source,
        "other_at": _at(old),
        "kept": kept.value,
        "why": why_kept(kept.claim, other.claim),
    }
    counted = (new.claim.source, table, column)
    terms.told[counted] += 1
    if terms.told[counted] <= MOST_TOLD:
        log.find_each("M061", source=new.claim.source, table=table, column=column, key=battery, locator=new.claim.locator, **facts)
    else:
        log.find("M061", source=new.claim.source, table=table, column=column, locator=new.claim.locator, **facts)


def _at(value: Value) -> str:
    """Return where in its source a value stands: the place of the record, or what it was computed from."""
    where = value.claim.locator or value.inputs
    return f" ({where})" if where else ""


def _replaced(battery: str, place: tuple[str, str], old: Value, new: Value, log: Log, share: float) -> None:
    log.find(
        "M064",
        source=new.claim.source,
        table=place[0],
        column=place[1],
        value=new.value,
        battery=battery,
        method=new.claim.method,
        other=old.value,
        other_source=old.claim.source,
        tolerance=percent(share),
    )
