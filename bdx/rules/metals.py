"""Checks over materials, substances and recycled metals against public lists and the minima of the law."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.canon import Chunk
from bdx.identifiers.substances import cas_ok
from bdx.rules.checks import Told
from bdx.rules.register import Bad, across, check
from bdx.rules.view import nowhere, numbers_of, texts_of

_KEY = "battery_key"


def _said(rows: pa.RecordBatch, *names: str) -> pa.Array:
    """Return several texts of a row as one, nothing for null."""
    return pc.binary_join_element_wise(*[rows.column(name).fill_null("") for name in names], " ")


@cache
def _known(entries: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    """Return the numbers of a list, and what it says of each."""
    pairs = [entry.split(" ", 1) for entry in entries]
    return pa.array([number for number, _ in pairs], pa.string()), pa.array([words for _, words in pairs], pa.string())


# --- critical raw materials


@cache
def _flag(name: str, number: str, listed: tuple[str, ...], unlisted: tuple[str, ...]) -> bool | None:
    """Return whether a material is a critical raw material; None where neither list names it."""
    for entries, verdict in ((listed, True), (unlisted, False)):
        for entry in entries:
            numbers, _, form = entry.partition(" ")
            if (number and number in numbers.split("|")) or re.fullmatch(form, name.strip(), re.IGNORECASE):
                return verdict
    return None


@check("critical_against_list")
def critical_against_list(
    now: pa.Array,
    name: pa.Array,
    number: pa.Array | None = None,
    share: pa.Array | None = None,
    *,
    listed: tuple[str, ...],
    unlisted: tuple[str, ...],
    least: float,
) -> Told:
    """Return where a flag contradicts the list of critical raw materials, and what the list says.

    An entry holds CAS numbers joined by "|" and a regular expression of names; amounts of at most `least` percent need no flag.
    """
    numbers = pa.repeat("", len(name)) if number is None else number.fill_null("")
    coded = pc.binary_join_element_wise(name.fill_null(""), numbers, "\x1f").dictionary_encode()
    flags = [_flag(*text.split("\x1f"), listed, unlisted) for text in coded.dictionary.to_pylist()]
    wanted = pa.array(flags, pa.bool_()).take(coded.indices)
    bad = pc.not_equal(now, wanted).fill_null(fill_value=False)
    if share is not None:
        bad = pc.and_(bad, pc.or_(pc.invert(wanted), pc.greater(share.fill_null(100.0), least)).fill_null(fill_value=False))
    return (bad, {"name": name, "listed": pc.if_else(wanted, "is", "is not")}) if bad.true_count else None


@check("name_against_number")
def name_against_number(now: pa.Array, name: pa.Array, kind: pa.Array, *, known: tuple[str, ...]) -> Told:
    """Return where a CAS number is sound, but not that of the element named beside it, and the right one; `known` holds "CAS names"."""
    pairs = pc.binary_join_element_wise(now, name, "\x1f")
    odd: dict[str, str] = {}
    for pair in pc.unique(pairs.filter(pc.equal(kind, "CAS").fill_null(fill_value=False))).to_pylist():
        number, _, said = (pair or "").partition("\x1f")
        bare = re.sub(r"\s*\([^)]*\)", "", said).strip()
        right = next((cas for cas, form in (entry.split(" ", 1) for entry in known) if re.fullmatch(form, bare, re.IGNORECASE)), None)
        if right and right != number.strip() and cas_ok(number):
            odd[pair] = right
    if not odd:
        return None
    place = pc.index_in(pairs, pa.array(list(odd), pa.string()))
    return pc.is_valid(place), {"listed": pa.array(list(odd.values()), pa.string()).take(place)}


# --- hazards and symbols


@check("hazard_class_missing", nulls=True)
def hazard_class_missing(now: pa.Array, number: pa.Array, name: pa.Array, share: pa.Array | None = None, *, known: tuple[str, ...]) -> Told:
    """Return where a known substance is present and has no hazard class, and its class; `known` holds "CAS class"."""
    numbers, hazards = _known(known)
    place = pc.index_in(number, numbers)
    bad = pc.and_(pc.is_null(now), pc.is_valid(place))
    if share is not None:
        bad = pc.and_not(bad, pc.equal(share, 0.0).fill_null(fill_value=False))
    return (bad, {"hazard": hazards.take(place), "name": name}) if bad.true_count else None


@across("hazard_not_listed")
def hazard_not_listed(chunk: Chunk, *, known: tuple[str, ...], least: float) -> Iterator[Bad]:
    """Yield materials known as hazardous that the battery's own list of hazardous substances leaves out, of `least` percent or more."""
    rows, listed = chunk.get("material"), chunk.get("hazardous_substance")
    if rows is None or listed is None:
        return
    numbers, hazards = _known(known)
    place = pc.index_in(rows.column("identifier"), numbers)
    if place.null_count == len(place):
        return
    pairs, there = (pc.binary_join_element_wise(batch.column(_KEY), batch.column("identifier"), "\x1f") for batch in (rows, listed))
    enough = pc.greater_equal(rows.column("concentration_percent").fill_null(100.0), least)
    bad = pc.and_(
        pc.and_(pc.is_valid(place), enough), pc.and_(pc.is_in(rows.column(_KEY), listed.column(_KEY)), pc.invert(pc.is_in(pairs, there)))
    )
    yield Bad("material", "identifier", bad.fill_null(fill_value=False), {"hazard": hazards.take(place), "name": rows.column("name")})


@across("symbol_missing")
def symbol_missing(chunk: Chunk, *, limits: tuple[str, ...], symbol: str, subject: str) -> Iterator[Bad]:
    """Yield substances above the limit of their symbol in batteries whose marks are listed, none of them with that symbol.

    `limits` holds "CAS limit sign"; a mark has the symbol where its subject is `subject` or its words match `symbol` and the sign.
    """
    rows, marks = chunk.get("hazardous_substance"), chunk.get("marking")
    if rows is None or marks is None:
        return
    numbers, said = _known(limits)
    place = pc.index_in(rows.column("identifier"), numbers)
    if place.null_count == len(place):
        return
    most, signs = zip(*(words.split(" ") for words in said.to_pylist()), strict=True)
    limit = numbers_of(tuple(map(float, most))).take(place)
    above = pc.greater(rows.column("concentration_percent"), limit).fill_null(fill_value=False)
    if not above.true_count:
        yield Bad("hazardous_substance", "concentration_percent", above)
        return
    words = _said(marks, "name", "meaning", "symbol_url")
    marked = pc.or_(
        pc.equal(marks.column("subject"), subject).fill_null(fill_value=False), pc.match_substring_regex(words, symbol, ignore_case=True)
    )
    keys = rows.column(_KEY)
    bare = pc.and_(pc.is_in(keys, marks.column(_KEY)), pc.invert(pc.is_in(keys, marks.column(_KEY).filter(marked))))
    bad = pc.and_(above, bare)
    yield Bad(
        "hazardous_substance",
        "concentration_percent",
        bad.fill_null(fill_value=False),
        {"limit": limit, "sign": texts_of(signs).take(place)},
    )


# --- recycled content


@across("below_minimum")
def below_minimum(chunk: Chunk, *, minima: tuple[str, ...], holds: tuple[str, ...], least_kwh: float, ahead_years: int) -> Iterator[Bad]:
    """Yield recycled shares below the minimum in force when the battery came on the market, or `ahead_years` before it comes into force.

    `minima` holds "date categories metal=percent ...", in order; `holds` "metal chemistries": a share of nothing is judged only where
    the chemistry is known to hold the metal. Industrial batteries are judged above `least_kwh`.
    """
    rows, batteries = chunk.get("recycled_content"), chunk.get("battery")
    if rows is None or batteries is None:
        return
    days = [batteries.column(name) for name in ("placed_on_market_date", "put_into_service_date", "manufacturing_date")]
    day = pc.coalesce(*days)
    first = min(_begin(entry, ahead_years) for entry in minima)
    if (pc.max(day).as_py() or date.min) < first:
        yield Bad("recycled_content", "material", nowhere(rows.num_rows))
        return
    owner = pc.index_in(rows.column(_KEY), batteries.column(_KEY))
    day, category = day.take(owner), batteries.column("battery_category").take(owner)
    energy = batteries.column("certified_usable_energy_kwh").take(owner)
    small = pc.and_(pc.is_in(category, texts_of(("industrial", "stationary"))), pc.less_equal(energy, least_kwh)).fill_null(
        fill_value=False
    )
    share = _share(rows)
    judged = pc.and_not(pc.and_(pc.is_valid(share), pc.or_(pc.greater(share, 0.0), _holds(rows, batteries, owner, holds))), small)
    limit, since = _minimum(rows.column("material"), day, category, minima, ahead_years)
    bad = pc.and_(judged, pc.less(share, limit)).fill_null(fill_value=False)
    yield Bad("recycled_content", "material", bad, {"share": share, "limit": limit, "since": since})


def _share(rows: pa.RecordBatch) -> pa.Array:
    """Return the recycled share of each row: the total, else what both sources add up to."""
    before, after = rows.column("pre_consumer_percent"), rows.column("post_consumer_percent")
    added = pc.add(before.fill_null(0.0), after.fill_null(0.0))
    given = pc.or_(pc.is_valid(before), pc.is_valid(after))
    return pc.coalesce(rows.column("total_percent"), pc.if_else(given, added, None))


def _holds(rows: pa.RecordBatch, batteries: pa.RecordBatch, owner: pa.Array, holds: tuple[str, ...]) -> pa.BooleanArray:
    """Return where the chemistry of a row's battery is known to hold the row's metal."""
    said = _said(batteries, "battery_chemistry", "battery_chemistry_name").dictionary_encode()
    found = pa.repeat(pa.scalar(False), rows.num_rows)
    for entry in holds:
        metal, _, form = entry.partition(" ")
        like = pc.match_substring_regex(said.dictionary, form, ignore_case=True).take(said.indices).take(owner)
        found = pc.or_(found, pc.and_(pc.equal(rows.column("material"), metal), like).fill_null(fill_value=False))
    return found


def _begin(entry: str, ahead_years: int) -> date:
    """Return from when an entry counts, some years ahead of its date."""
    start = date.fromisoformat(entry[:10])
    return start.replace(year=start.year - ahead_years)


def _minimum(metal: pa.Array, day: pa.Array, category: pa.Array, minima: tuple[str, ...], ahead_years: int) -> tuple[pa.Array, pa.Array]:
    """Return the minimum that counts for each row, and from when it is in force; null where none does."""
    limit, since = pa.nulls(len(metal), pa.float64()), pa.nulls(len(metal), pa.string())
    for entry in minima:
        begin, categories, *shares = entry.split(" ")
        start, low = _begin(entry, 0), _begin(entry, ahead_years)
        applies = pc.and_(pc.greater_equal(day, pa.scalar(low)), pc.is_in(category, texts_of(tuple(categories.split(",")))))
        if ahead_years:
            applies = pc.and_(applies, pc.less(day, pa.scalar(start)))
        table = dict(share.split("=") for share in shares)
        values = numbers_of(tuple(map(float, table.values()))).take(pc.index_in(metal, texts_of(tuple(table))))
        chosen = applies.fill_null(fill_value=False)
        limit, since = pc.if_else(chosen, values, limit), pc.if_else(chosen, begin, since)
    return limit, since


@across("shares_as_fractions")
def shares_as_fractions(chunk: Chunk, *, among: str, columns: tuple[str, ...], fewest: int, total: str) -> Iterator[Bad]:
    """Yield the first row of batteries whose shares are all above 0 and at most 1 percent, `fewest` of them or more.

    With `total` set to "one" they must also add up to about 1: shares of a whole.
    """
    rows = chunk.get(among)
    if rows is None:
        return
    values = pc.max_element_wise(*[rows.column(name) for name in columns])
    given = pc.greater(values, 0.0).fill_null(fill_value=False)
    if not given.true_count or (pc.min(values.filter(given)).as_py() or 2.0) > 1.0:
        return
    whole = pa.table({"key": rows.column(_KEY), "value": values, "row": np.arange(rows.num_rows)}).filter(given)
    groups = whole.group_by("key", use_threads=False).aggregate([("value", "max"), ("value", "sum"), ("value", "count"), ("row", "min")])
    odd = pc.and_(pc.less_equal(groups["value_max"], 1.0), pc.greater_equal(groups["value_count"], fewest))
    if total == "one":
        odd = pc.and_(odd, pc.and_(pc.greater_equal(groups["value_sum"], 0.9), pc.less_equal(groups["value_sum"], 1.02)))
    first = groups["row_min"].filter(odd).combine_chunks()
    bad = pc.is_in(pa.array(np.arange(rows.num_rows)), first)
    yield Bad(among, columns[0], bad, {"share": values})
