"""The Chinese traction battery code of GB/T 34014-2017: read, made and checked by the facts of specs/traction_code.toml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache

from bdx import spec
from bdx.errors import UsageError
from bdx.spec import Facts


@dataclass(frozen=True, slots=True)
class Code:
    """A code in its parts. `trace` is empty, and `taken_from` says pack, module or cell, for a battery that is used again.

    `production_date` is None where the code gives no date of the calendar; `notices` say what of this is not certain.
    """

    text: str
    vendor: str
    product: str
    chemistry: str
    specification: str
    trace: str
    production_date: date | None
    serial: str
    taken_from: str = ""
    notices: tuple[str, ...] = ()

    @property
    def reused(self) -> bool:
        """Say whether the battery is used again under a new code."""
        return bool(self.taken_from)


@cache
def _facts() -> Facts:
    return spec.load(spec.root() / "traction_code.toml", "traction_code")


def _parts(*, reused: bool) -> list[Facts]:
    return [part for part in _facts()["part"] if not (reused and part.get("new"))]


def _places(part: Facts) -> str:
    facts = _facts()
    return "".join(facts["words"][part["words"]]) if "words" in part else str(facts["alphabets"][part["alphabet"]])


@cache
def _layouts() -> dict[int, tuple[str, ...]]:
    """Return per length of a code the characters that each of its places may hold."""
    found = {}
    for reused in (False, True):
        places = [_places(part) for part in _parts(reused=reused) for _ in range(part["length"])]
        if reused:
            places += [_facts()["reused"]["mark"], "".join(_facts()["words"]["product"])]
        found[len(places)] = tuple(places)
    return found


def faults(text: str) -> list[str]:
    """Return what keeps a text from being a code, nothing for one that is; codes of a length no source agrees on are not judged."""
    if len(text) in _facts()["reused"]["unjudged"]:
        alphabet = set(_facts()["alphabets"]["any"])
        return [f"place {at} is '{sign}'" for at, sign in enumerate(text, 1) if sign not in alphabet]
    places = _layouts().get(len(text))
    if places is None:
        return [f"it has {len(text)} places, not {' or '.join(map(str, sorted(_layouts(), reverse=True)))}"]
    wrong = ((at, sign, known) for at, (sign, known) in enumerate(zip(text, places, strict=True), 1) if sign not in known)
    return [f"place {at} is '{sign}', not one of {known}" for at, sign, known in wrong]


def decode(text: str) -> Code:
    """Return the parts of a code; blanks around it do not count.

    Raises: UsageError for a text that is no code, naming the first place at fault.
    """
    bare = text.strip()
    wrong = faults(bare)
    if wrong or len(bare) not in _layouts():
        why = wrong[0] if wrong else _facts()["reused"]["notice"]
        raise UsageError(f"'{bare[:40]}' is no code of {_facts()['title']}: {why}")
    reused = len(bare) == min(_layouts())
    parts, at = {}, 0
    for part in _parts(reused=reused):
        parts[part["name"]] = bare[at : at + part["length"]]
        at += part["length"]
    words = _facts()["words"]
    made = _date(parts["year"], parts["month"], parts["day"])
    return Code(
        text=bare,
        vendor=parts["vendor"],
        product=words["product"][parts["product"]],
        chemistry=words["chemistry"][parts["chemistry"]],
        specification=parts["specification"],
        trace=parts.get("trace", ""),
        production_date=made,
        serial=parts["serial"],
        taken_from=words["product"][bare[-1]] if reused else "",
        notices=tuple(_notices(parts, made)),
    )


def _notices(parts: dict[str, str], made: date | None) -> Iterator[str]:
    facts = _facts()
    if parts["chemistry"] not in facts["corroborated"]["chemistry"]:
        yield f"what '{parts['chemistry']}' means as the kind of battery rests on one source"
    if made is None:
        yield f"'{parts['year']}{parts['month']}{parts['day']}' gives no date of the calendar"
    else:
        yield str(facts["dates"]["notice"])


def _date(year: str, month: str, day: str) -> date | None:
    alphabets, first = _facts()["alphabets"], _facts()["dates"]["first_year"]
    try:
        return date(first + alphabets["count"].index(year), 1 + alphabets["months"].index(month), alphabets["days"].index(day))
    except ValueError:
        return None


def encode(
    *,
    vendor: str,
    product: str,
    chemistry: str,
    specification: str,
    production_date: date,
    serial: str | int,
    trace: str = "",
    taken_from: str = "",
) -> str:
    """Return the code of a battery; product, chemistry and taken_from are words of the tables or their letters.

    A battery that is used again has `taken_from` and no `trace`. A serial number is filled up with zeros.
    Raises: UsageError naming the part that does not fit.
    """
    facts = _facts()
    alphabets, first = facts["alphabets"], facts["dates"]["first_year"]
    years = production_date.year - first
    if not 0 <= years < len(alphabets["count"]):
        raise UsageError(f"a code has no year {production_date.year}; expected {first} to {first + len(alphabets['count']) - 1}")
    given = {
        "vendor": vendor,
        "product": _letter("product", product),
        "chemistry": _letter("chemistry", chemistry),
        "specification": specification,
        "trace": trace,
        "year": alphabets["count"][years],
        "month": alphabets["months"][production_date.month - 1],
        "day": alphabets["days"][production_date.day],
        "serial": str(serial),
    }
    if taken_from and trace:
        raise UsageError("a battery that is used again has no part for tracing")
    text = ""
    for part in _parts(reused=bool(taken_from)):
        value = given[part["name"]].zfill(part["length"]) if part["name"] == "serial" else given[part["name"]]
        known = _places(part)
        if len(value) != part["length"] or any(sign not in known for sign in value):
            raise UsageError(f"{part['name']} '{value}': expected {part['length']} of {known}")
        text += value
    return text + facts["reused"]["mark"] + _letter("product", taken_from) if taken_from else text


def _letter(table: str, word: str) -> str:
    """Return the letter of a word; a letter is its own."""
    known: Facts = _facts()["words"][table]
    if word in known:
        return word
    for letter, meaning in known.items():
        if meaning == word:
            return str(letter)
    raise UsageError(f"{table} '{word}': expected one of {', '.join(known.values())}, or its letter")
