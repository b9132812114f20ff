"""Masks over codes of countries and languages, with the code that a name or a longer code stands for."""

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from bdx import spec
from bdx.rules.checks import Told
from bdx.rules.register import check
from bdx.spec import Column


@cache
def _codes(kind: str) -> pa.Array:
    return pa.array(list(_rows(kind)), pa.string())


@cache
def _rows(kind: str) -> dict[str, tuple[str, ...]]:
    return dict(spec.load(spec.root() / "codes.toml", "codes")[kind])


@cache
def _meant(kind: str) -> dict[str, str]:
    """Return the code by every name and longer code in small letters."""
    rows = _rows(kind)
    return {name.casefold(): code for code, names in rows.items() for name in names} | {code.casefold(): code for code in rows}


def proposed(kind: str, text: str) -> str:
    """Return the code that a text stands for, a name or another code of a country or language; empty where none is known."""
    bare = re.sub(r"\s+", " ", text).strip().casefold()
    return _meant(kind).get(bare) or _meant(kind).get(bare.strip("."), "")


def _told(kind: str, texts: pa.Array, bad: pa.BooleanArray) -> Told:
    if not bad.true_count:
        return None
    odd = [text for text in pc.unique(texts.filter(bad)).to_pylist() if text is not None]
    advice = [f"; '{text.strip()}' is {code}" if (code := proposed(kind, text)) else "" for text in odd]
    return bad, {"advice": pa.array(advice, pa.string()).take(pc.index_in(texts, pa.array(odd, pa.string())))}


@check("not_a_country", texts=True)
def not_a_country(now: pa.Array) -> Told:
    """Return where a text is no ISO 3166-1 alpha-2 code, with the code that it stands for where that is known."""
    return _told("country", now, pc.and_(pc.is_valid(now), pc.invert(pc.is_in(now, _codes("country")))))


@check("not_a_language", applies=lambda column: column.type == "string", texts=True)
def not_a_language(now: pa.Array, facts: Column) -> Told:
    """Return where a text is no language tag that begins with an ISO 639-1 code, with the code that it stands for.

    A language that has no code of two letters is named by three.
    """
    begin = pc.struct_field(pc.extract_regex(now, r"^(?P<code>[a-z]{2,3})(?:-[A-Za-z0-9]{2,8})*$"), "code")
    long = [text for text in pc.unique(begin).to_pylist() if text and len(text) == 3 and not proposed("language", text)]
    sound = pc.or_(pc.is_in(begin, _codes("language")), pc.is_in(begin, pa.array(long, pa.string())))
    return _told("language", now, pc.and_(pc.is_valid(now), pc.invert(sound.fill_null(fill_value=False))))
