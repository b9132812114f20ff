"""Values of a flat file -> parameters and results: from rows of one value each, or from columns of one parameter each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx import canon, units
from bdx.mapping import vocabulary
from bdx.mapping.flat_cells import Mask, filled, mask, numbers, trimmed
from bdx.mapping.flat_plan import Value
from bdx.mapping.flat_rows import run_ids
from bdx.mapping.flat_view import View
from bdx.mapping.flat_words import values as enumeration
from bdx.mapping.segment_values import settled_unit
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER, Parameter
from bdx.units import factor

_WITH_UNIT = r"^(?P<number>[+-]?[0-9][0-9.,]*)\s*(?P<unit>[^0-9\s.,].*)$"
_CODED = r"^0[0-9]"
_SHOWN = 50
_LIMITS = {"setpoint": "setpoint", "lower_limit": "limit_low", "upper_limit": "limit_high"}
_RESULT_LIMITS = {"setpoint": "nominal", "lower_limit": "lower_limit", "upper_limit": "upper_limit"}
Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Coded:
    """A column of few texts as numbers of them."""

    codes: Ints
    texts: list[str]

    @classmethod
    def of(cls, cells: pa.Array) -> Coded:
        """Return a column coded; null is the empty text."""
        coded = pc.dictionary_encode(pc.fill_null(cells, ""))
        return cls(coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist())

    @classmethod
    def one(cls, text: str, rows: int) -> Coded:
        """Return a column of one text."""
        return cls(np.zeros(rows, np.int64), [text])

    def take(self, found: list[str | None]) -> pa.Array:
        """Return a column of what each text stands for."""
        return pa.array(found, pa.string()).take(pa.array(self.codes))


@dataclass(slots=True)
class Stream:
    """Cells with the names and units they go by; `known` is the parameter of each name."""

    table: str
    cells: pa.Array
    names: Coded
    units: Coded
    known: list[Parameter]
    header: str
    role: str = ""
    statistic: str = ""
    step: str = ""
    index: int | None = None
    sparse: bool = True
    """Whether an empty cell means that there is no value, and no row."""
    limits: dict[str, pa.Array] = field(default_factory=dict)


def values_of(table: str, view: View) -> pa.RecordBatch:
    """Return the rows of a table of values that a view gives, those of one row of the file next to each other."""
    found = [_rows(stream, view) for stream in (_long(table, view) if view.plan.long else _wide(table, view))]
    if not found:
        return canon.from_rows(table, [])
    if len(found) == 1:
        return found[0][0]
    order = np.argsort(np.concatenate([rows for _, rows in found]), kind="stable")
    return pa.concat_batches([batch for batch, _ in found]).take(pa.array(order))


def _wide(table: str, view: View) -> Iterator[Stream]:
    for value in view.plan.values:
        if value.table == table:
            known = _known(value)
            cells = view.cells(value.place)
            if cells.null_count < len(cells):
                names, units_ = Coded.one(value.header, view.rows), Coded.one(value.unit, view.rows)
                index = value.index if value.index is not None else known.index
                yield Stream(
                    table, cells, names, units_, [known], value.header, value.role or known.role, value.statistic, value.step, index
                )


def _known(value: Value) -> Parameter:
    return vocabulary.parameter(value.code) or UNKNOWN_PARAMETER


def _long(table: str, view: View) -> Iterator[Stream]:
    names = Coded.of(_text(view, "parameter"))
    known = [vocabulary.parameter(name) for name in names.texts]
    for code, name in enumerate(names.texts):
        if known[code] is None and (which := names.codes == code).any():
            first = view.locators[int(np.flatnonzero(which)[0])].as_py()
            view.run.remarks.note("M041", table, f"{_stem(table)}_code", name, first, int(which.sum()))
    unit = view.text("unit")
    units_ = Coded.of(unit) if unit is not None else Coded.one(view.plan.unit("value"), view.rows)
    fixed = [item or UNKNOWN_PARAMETER for item in known]
    limits = {name: cells for name in _LIMITS if (cells := view.text(name)) is not None}
    header = view.header("value")
    if table == "quality_result":
        yield Stream(table, _text(view, "value"), names, units_, fixed, header, sparse=False, limits=limits)
        return
    yield Stream(table, _text(view, "value"), names, units_, fixed, header, sparse=False)
    for name, cells in limits.items():
        if cells.null_count < len(cells):
            yield Stream(table, cells, names, units_, fixed, view.header(name), role=_LIMITS[name])


def _text(view: View, name: str) -> pa.Array:
    found = view.text(name)
    assert found is not None
    return found


def _stem(table: str) -> str:
    return "parameter" if table == "process_parameter" else "characteristic"


def _rows(stream: Stream, view: View) -> tuple[pa.RecordBatch, Ints]:
    """Return the rows of a stream and their numbers in the view."""
    stem = _stem(stream.table)
    made, factors = _measured(stream, view)
    made[f"{stem}_code"] = stream.names.take([known.code for known in stream.known])
    made[f"{stem}_name_raw"] = stream.names.take([name or None for name in stream.names.texts])
    made["value_raw"] = stream.cells
    for column, name in view.plan.feeding(stream.table, stream.step):
        made.update(view.column(stream.table, column, name, stream.step))
    runs = run_ids(view, stream.step) if "process_step" in view.plan.makes else view.text("step_run_id")
    if runs is not None:
        made["step_run_id"] = runs
    if stream.table == "process_parameter":
        _as_parameter(stream, view, made)
    else:
        _as_result(stream, view, made, factors)
    made["locator"] = _located(stream, view)
    made["source_id"] = filled(view.run.context.source_id, view.rows)
    if view.plan.main == stream.table and not (stream.sparse and view.plan.long):
        made["extra"] = view.extra()
    batch = canon.batch(stream.table, made)
    kept = mask(stream.cells.is_valid()) if stream.sparse else np.ones(view.rows, np.bool_)
    return (batch if kept.all() else batch.filter(pa.array(kept))), np.flatnonzero(kept)


def _located(stream: Stream, view: View) -> pa.Array:
    """Return where values stand; of several in a row also the column."""
    if view.plan.long and not stream.sparse:
        return view.locators
    return pc.binary_join_element_wise(view.locators, f", {stream.header}", "")


def _as_parameter(stream: Stream, view: View, made: dict[str, pa.Array]) -> None:
    roles = [stream.role or known.role or "actual" for known in stream.known]
    written = made.pop("role", None)
    usual = stream.names.take(list(roles))
    made["role"] = pc.coalesce(written, usual) if written is not None and not stream.sparse else usual
    usual = filled(stream.statistic or "value", view.rows)
    made["statistic"] = pc.coalesce(made["statistic"], usual) if "statistic" in made else usual
    if stream.index is not None:
        made["index"] = filled(stream.index, view.rows, pa.int32())
    elif any(known.index is not None for known in stream.known):
        own = pa.array([known.index for known in stream.known], pa.int32()).take(pa.array(stream.names.codes))
        made["index"] = pc.coalesce(made["index"], own) if "index" in made else own
    booleans = enumeration("process_parameter.value_bool")
    spoken = Coded.of(made["value_text"])
    told = [booleans.get(text.casefold()) for text in spoken.texts]
    if any(told):
        made["value_bool"] = pc.equal(spoken.take(told), "true")


def _as_result(stream: Stream, view: View, made: dict[str, pa.Array], factors: tuple[npt.NDArray[np.float64], ...]) -> None:
    made.pop("quality", None)
    above, below, offset = factors
    for name, cells in stream.limits.items():
        found, doubtful = numbers(cells, view.run.decimal, view.run.thousands)
        bad = mask(pc.and_(cells.is_valid(), found.is_null()))
        view.note("M046", stream.table, _RESULT_LIMITS[name], cells, doubtful)
        view.note("M045", stream.table, _RESULT_LIMITS[name], cells, bad & ~doubtful)
        view.keep(view.header(name), cells, bad)
        made[_RESULT_LIMITS[name]] = pc.add(pc.divide(pc.multiply(found, pa.array(above)), pa.array(below)), pa.array(offset))
    verdict = view.text("verdict")
    if "verdict" in made and verdict is not None:
        if not view.plan.long and "process_step" in view.plan.makes:
            del made["verdict"]
        else:
            made["verdict_raw"] = verdict
            made["verdict_source"] = pc.if_else(made["verdict"].is_valid(), "reported", None)


def _measured(stream: Stream, view: View) -> tuple[dict[str, pa.Array], tuple[npt.NDArray[np.float64], ...]]:
    """Return the value columns: numbers in canonical units, text where there is no number; and the factors to these units."""
    cells = stream.cells
    expected = np.array([bool(known.unit) for known in stream.known], np.bool_)[stream.names.codes]
    found, doubtful = numbers(cells, view.run.decimal, view.run.thousands)
    found = pc.if_else(pc.and_(pa.array(~expected), pc.match_substring_regex(cells, _CODED)), None, found)
    found = _with_units(stream, found, expected, view)
    present = mask(cells.is_valid())
    number = mask(found.is_valid())
    at = {"table": stream.table, "column": "value_num"}
    view.note("M046", **at, shown=cells, which=doubtful)
    odd = present & ~number & expected & ~doubtful
    if odd.any():
        named = pc.binary_join_element_wise(stream.names.take(list(stream.names.texts)), cells, "=")
        view.note("M045", **at, shown=named, which=odd)
    if not stream.sparse:
        view.note("M047", **at, shown=stream.names.take(list(stream.names.texts)), which=~present)
    canonical, factors, uncertain = _units_of(stream, number, view)
    above, below, offset = factors
    changed = bool((above != 1).any() or (below != 1).any() or offset.any())
    if changed:
        found = pc.add(pc.divide(pc.multiply(found, pa.array(above)), pa.array(below)), pa.array(offset))
    quality = np.where(~present, 2, np.where(uncertain | odd | doubtful, 1, 0))
    return {
        "value_num": found,
        "value_text": pc.if_else(pa.array(number), None, cells),
        "unit": pc.if_else(pa.array(number), canonical, None),
        "unit_raw": stream.units.take([text or None for text in stream.units.texts]),
        "quality": pa.array(["good", "uncertain", "missing"]).take(pa.array(quality)),
    }, factors


def _with_units(stream: Stream, found: pa.Array, expected: Mask, view: View) -> pa.Array:
    """Return the numbers, with those of cells that write their unit themselves ("4,3 h") where no other is given."""
    blank = np.array([not text for text in stream.units.texts], np.bool_)[stream.units.codes]
    bad = np.flatnonzero(mask(pc.and_(stream.cells.is_valid(), found.is_null())) & expected & blank)
    if not len(bad):
        return found
    parts = pc.extract_regex(stream.cells.take(pa.array(bad)), _WITH_UNIT)
    written = Coded.of(trimmed(pc.struct_field(parts, "unit"), ()))
    usable = np.array([bool(text) and units.known(text) for text in written.texts], np.bool_)[written.codes]
    read, _ = numbers(pc.struct_field(parts, "number"), view.run.decimal, view.run.thousands)
    usable &= mask(read.is_valid())
    if not usable.any():
        return found
    codes = stream.units.codes.copy()
    codes[bad[usable]] = written.codes[usable] + len(stream.units.texts)
    stream.units = Coded(codes, [*stream.units.texts, *written.texts])
    which = np.zeros(len(found), np.bool_)
    which[bad[usable]] = True
    return pc.replace_with_mask(found, pa.array(which), read.filter(pa.array(usable)))


def _units_of(stream: Stream, number: Mask, view: View) -> tuple[pa.Array, tuple[npt.NDArray[np.float64], ...], Mask]:
    """Return canonical units, the factors to them (times, by, plus), and the rows whose unit is in doubt; each pair is settled once."""
    pairs, which = np.unique(stream.names.codes * len(stream.units.texts) + stream.units.codes, return_inverse=True)
    names: list[str | None] = []
    steps: list[tuple[float, float, float]] = []
    doubt: list[bool] = []
    for place, pair in enumerate(pairs.tolist()):
        name, unit = stream.names.texts[pair // len(stream.units.texts)], stream.units.texts[pair % len(stream.units.texts)]
        wanted = stream.known[pair // len(stream.units.texts)].unit
        canonical, convert, fault = settled_unit(unit, wanted)
        rows = np.flatnonzero(number & (which == place)) if fault else which[:0]
        if len(rows):
            first = view.locators[int(rows[0])].as_py()
            view.run.remarks.note(fault, stream.table, "unit", name if fault == "M042" else unit, first, len(rows))
        names.append(canonical)
        scale, offset = factor(unit, canonical) if convert and canonical else (1, 0)
        steps.append((float(getattr(scale, "numerator", 1)), float(getattr(scale, "denominator", 1)), float(offset)))
        doubt.append(bool(fault))
    above, below, offsets = (np.array(column, np.float64)[which] for column in zip(*steps, strict=True))
    return pa.array(names, pa.string()).take(pa.array(which)), (above, below, offsets), np.array(doubt, np.bool_)[which] & number
