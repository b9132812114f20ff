"""The tabular mapping: names, units once, readers, the sign of current from evidence, and nothing dropped in silence."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

from bdx import spec
from bdx.canon import Document, Log, Part, Table
from bdx.errors import MappingError, SpecError, UsageError
from bdx.mapping import Context, clock, columns, dates, numbers
from bdx.mapping.numbers import Scale
from bdx.names import fold, snake

FACTS = {
    "kind": "columns",
    "format": "made-up",
    "column": [
        {"from": ["Total Time"], "to": "test_time_second", "read": "duration"},
        {"from": ["Voltage", "电压"], "to": "voltage_volt"},
        {"from": ["Current"], "to": "current_ampere", "by": "sign"},
        {"from": ["Power"], "to": "power_watt", "by": "sign"},
        {"from": ["Step Type", "State"], "to": "step_type"},
        {"from": ["Cycle"], "to": "cycle_count"},
        {"from": ["Date"], "to": "local_time"},
        {"from": ["Stamp"], "to": "unix_time_second", "read": "datetime"},
    ],
    "sign": {"state": "step_type", "charge": ["CC Chg", "C"], "discharge": ["CC DChg", "D"], "idle": ["Rest", "R"]},
    "units": {"h:min:s": "clock"},
    "test": [{"from": ["channel", "Device.Channel"], "to": "channel"}, {"from": ["mass"], "to": "active_mass_mg", "unit": "g"}],
}


def table(data: dict[str, Any], units: dict[str, str] | None = None, name: str = "records", rows: int = 1000) -> Table:
    arrays = {key: values if isinstance(values, pa.Array) else pa.array(values) for key, values in data.items()}
    fields = [
        pa.field(f"{key}({(units or {}).get(key, '')})", array.type, metadata={"bdx.name": key, "bdx.unit": (units or {}).get(key, "")})
        for key, array in arrays.items()
    ]
    whole = pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))
    return Table(name, whole.schema, iter(whole.to_batches(max_chunksize=rows)))


def run(parts: Iterable[Part], facts: dict[str, Any] = FACTS) -> tuple[pa.Table, dict[str, Any], Log]:
    log = Log()
    chunks = list(columns.to_canonical(parts, spec.freeze(facts), Context("file.csv", "s1", log)))
    rows = [chunk["timeseries"] for chunk in chunks if "timeseries" in chunk]
    assert list(chunks[-1]) == ["test"], "the test row follows the last rows"
    return pa.Table.from_batches(rows), chunks[-1]["test"].to_pylist()[0], log


def codes(log: Log) -> set[str]:
    return {finding.code for finding in log.findings}


def test_names_meet_across_case_blanks_and_punctuation() -> None:
    assert fold("Step_Index") == fold("step index") == fold("STEP-INDEX ")
    assert fold("dQ/dV") != fold("dQm/dV")
    assert (snake("Module start-stop switch"), snake("dQ/dV"), snake("模块 启停"), snake("?")) == (
        "module_start_stop_switch",
        "dq_dv",
        "模块_启停",
        "column",
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:01:00", 60.0),
        ("0:00:10.0", 10.0),
        ("123:00:00.500", 442800.5),
        ("1d 02:00:00", 93600.0),
        ("2 d 00:00:01.001", 172801.001),
        ("144:02:18", 518538.0),
        (" 1:02:03.25 ", 3723.25),
        ("00:00:01,5", 1.5),
        ("0:00:75", None),
        ("00:60:00", None),
        ("1:30", None),
        ("", None),
        ("n/a", None),
        ("-0:00:01", None),
        ("\u0660\u0660:\u0660\u0661:\u0660\u0660", None),
        ("1" * 60, None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert clock.durations(pa.array([text])).to_pylist() == [seconds]


def test_every_millisecond_of_a_duration_is_the_nearest_float() -> None:
    texts = [f"{hour}:59:{second:02d}.{ms:03d}" for hour in (0, 7, 99, 1234) for second in (0, 59) for ms in range(1000)]
    exact = [float(Fraction(int(hour)) * 3600 + 59 * 60 + Fraction(second)) for hour, _, second in (text.split(":") for text in texts)]
    assert clock.durations(pa.array(texts)).to_pylist() == exact


def test_durations_of_mixed_widths_nulls_and_slices() -> None:
    whole = pa.array(["x", "00:00:01", None, "100:00:00", "0:00:03", "00:00:04.5"])
    assert clock.durations(whole.slice(1)).to_pylist() == [1.0, None, 360000.0, 3.0, 4.5]
    assert clock.durations(whole.slice(1).dictionary_encode()).to_pylist() == [1.0, None, 360000.0, 3.0, 4.5]
    assert clock.durations(pa.array([], pa.string())).to_pylist() == []
    assert clock.durations(pa.array([None, None], pa.string())).to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2025-06-17 09:26:39.383", "ymd", datetime(2025, 6, 17, 9, 26, 39, 383000)),
        ("2022/5/18 16:27:52", "ymd", datetime(2022, 5, 18, 16, 27, 52)),
        ("2024-02-29", "ymd", datetime(2024, 2, 29)),
        ("2023-02-29", "ymd", None),
        ("2023-13-01", "ymd", None),
        ("2023-12-31T23:59", "ymd", datetime(2023, 12, 31, 23, 59)),
        ("5/11/2021 3:40:24 PM", "mdy", datetime(2021, 5, 11, 15, 40, 24)),
        ("05/11/2021 12:00:01 AM", "mdy", datetime(2021, 5, 11, 0, 0, 1)),
        ("05/11/2021 13:00:01 PM", "mdy", None),
        ("\t02.03.2026 07:30:00", "dmy", datetime(2026, 3, 2, 7, 30)),
        ("02.03.26 07:30:00", "dmy", datetime(2026, 3, 2, 7, 30)),
        ("02.03.26 07:30:00", "ymd", None),
        ("23-Nov-23 3:56:08 PM", "", datetime(2023, 11, 23, 15, 56, 8)),
        ("14 December 2020", "", datetime(2020, 12, 14)),
        ("11 December 2020, 12:22:12 PM", "", datetime(2020, 12, 11, 12, 22, 12)),
        ("Wednesday, November 2, 2016", "", datetime(2016, 11, 2)),
        ("2022/5/18 16:27:52", "mdy", datetime(2022, 5, 18, 16, 27, 52)),
        ("12/16/2019 14:03:25", "mdy", datetime(2019, 12, 16, 14, 3, 25)),
        ("16:05:31", "mdy", None),
        ("1969-12-31 23:59:59.5", "ymd", datetime(1969, 12, 31, 23, 59, 59, 500000)),
        ("2023-12-31 24:00:00", "ymd", None),
        ("0000-01-01 00:00:00", "mdy", None),
    ],
)
def test_wall_times(text: str, order: str, expected: datetime | None) -> None:
    assert dates.wall_times(pa.array([text]), order).to_pylist() == [expected]


@pytest.mark.parametrize("milli", [4200.0, 3300.1, 1.0, 2999.7, 0.3])
def test_a_scale_is_one_correctly_rounded_step_and_back(milli: float) -> None:
    down = Scale(Fraction(1, 1000)).apply(pa.array([milli]))[0].as_py()
    assert down == float(Fraction(milli) / 1000)
    assert Scale(Fraction(1000)).apply(pa.array([down]))[0].as_py() == pytest.approx(milli, rel=2**-52)
    assert Scale(Fraction(1, 1000)).apply(pa.array([4200.0]))[0].as_py() == 4.2


def test_a_scale_beyond_exact_integers_and_an_offset() -> None:
    huge = Fraction(10**20 + 1, 10**20)
    assert Scale(huge).apply(pa.array([3.0])).to_pylist() == [3.0 * float(huge)]
    kelvin = Scale().then(Fraction(1), Fraction("-273.15"))
    assert kelvin.apply(pa.array([300.0, None])).to_pylist() == [300.0 - 273.15, None]


def test_numbers_and_integers_of_every_type() -> None:
    assert numbers.numbers(pa.array([" 1.5", "a", None, "1e-3", "", "5.", "0x1"])).to_pylist() == [1.5, None, None, 0.001, None, 5.0, None]
    assert numbers.numbers(pa.array([1, None], pa.int32())).to_pylist() == [1.0, None]
    assert numbers.integers(pa.array([1.0, 2.5, None, math.nan, math.inf, 1e300])).to_pylist() == [1, None, None, None, None, None]
    assert numbers.integers(pa.array(["7", "7.0", "7.1"])).to_pylist() == [7, 7, None]
    with pytest.raises(MappingError, match="numbers"):
        numbers.numbers(pa.array([datetime(2026, 1, 1)]))


def test_units_are_applied_once_and_extras_keep_name_and_unit() -> None:
    part = table(
        {"Total Time": ["00:00:01"], "电压": [36000.0], "Humidity": [41.5]}, {"Total Time": "h:min:s", "电压": "mV", "Humidity": "%"}
    )
    rows, test, log = run([part])
    assert rows.to_pydict() == {"test_time_second": [1.0], "voltage_volt": [36.0], "extra_humidity": [41.5]}
    assert rows.schema.field("extra_humidity").metadata == {b"bdx.source_name": b"Humidity(%)", b"bdx.unit": b"%"}
    assert test["current_sign"] is None
    assert not log.findings


def test_raw_scale_and_unit_are_one_step() -> None:
    field = pa.field("v", pa.int32(), metadata={"bdx.name": "Voltage", "bdx.unit": "mV", "bdx.scale": "0.1"})
    batch = pa.record_batch([pa.array([42000], pa.int32())], schema=pa.schema([field]))
    rows, _, _ = run([Table("records", batch.schema, iter([batch]))])
    assert rows["voltage_volt"].to_pylist() == [4.2]


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_power_without_direction_gets_that_of_current(rows: int) -> None:
    """The size of power only, beside a signed current; another power than voltage times current stays as it is written."""
    facts = FACTS | {"sign": {"known": "signed"}}
    part = table(
        {
            "Total Time": [0.0, 1.0, 2.0, 3.0],
            "Voltage": [4.0, 3.0, 3.0, None],
            "Current": [1.0, -1.0, -2.0, -1.0],
            "Power": [4.0, 3.01, 9.0, 3.0],
        },
        rows=rows,
    )
    found, _, log = run([part], facts)
    assert found["power_watt"].to_pylist() == [4.0, -3.01, 9.0, 3.0]
    assert [(finding.code, finding.count, finding.row) for finding in log.findings] == [("M031", 1, 1)]


def test_an_extra_column_is_in_the_unit_it_names() -> None:
    """An auxiliary voltage counted in 0.1 mV is written in mV; what is no number stays, with the step beside it."""
    notes = {"bdx.name": "Aux1 Voltage", "bdx.unit": "mV", "bdx.scale": "1/10"}
    fields = [pa.field("Voltage", pa.float64()), pa.field("aux", pa.int32(), metadata=notes), pa.field("word", pa.string(), metadata=notes)]
    batch = pa.record_batch([pa.array([4.2]), pa.array([35], pa.int32()), pa.array(["35"])], schema=pa.schema(fields))
    rows, _, _ = run([Table("records", batch.schema, iter([batch]))])
    assert rows["extra_aux1_voltage"].to_pylist() == [3.5]
    assert rows.schema.field("extra_aux1_voltage").metadata == {b"bdx.source_name": b"aux", b"bdx.unit": b"mV"}
    assert rows["extra_aux1_voltage_2"].to_pylist() == ["35"]
    assert rows.schema.field("extra_aux1_voltage_2").metadata[b"bdx.scale"] == b"1/10"


@pytest.mark.parametrize("unit", ["parsec", "Ah", "MV"])
def test_an_unknown_or_foreign_unit_is_refused_by_name(unit: str) -> None:
    with pytest.raises(MappingError, match=rf"Voltage.*{unit}"):
        run([table({"Voltage": [1.0]}, {"Voltage": unit})])


def test_no_known_header_is_refused() -> None:
    with pytest.raises(MappingError, match="Humidity"):
        run([table({"Humidity": [1.0]})])


def test_a_reader_outside_the_closed_list_is_refused() -> None:
    facts = FACTS | {"column": [{"from": ["Voltage"], "to": "voltage_volt", "read": "eval"}]}
    with pytest.raises(SpecError, match="eval"):
        run([table({"Voltage": [1.0]})], facts)


def test_the_second_of_two_homes_is_kept_aside() -> None:
    rows, _, _ = run([table({"Voltage": [1.0], "State": ["C"], "Step Type": ["Rest"], "A b": [1], "a_B": [2]})])
    assert rows["step_type"].to_pylist() == ["Rest"], "the spec's order decides, not the file's"
    assert rows["extra_state"].to_pylist() == ["C"]
    assert (rows["extra_a_b"].to_pylist(), rows["extra_a_b_2"].to_pylist()) == ([1], [2])


def test_unreadable_values_are_null_and_named() -> None:
    data = {"Voltage": ["1.0", "bad", " ", "3.0", "worse"], "Date": ["2026-01-01", "soon", None, "", "2026-02-30"]}
    rows, _, log = run([table(data, rows=2)])
    assert rows["voltage_volt"].to_pylist() == [1.0, None, None, 3.0, None]
    found = {finding.column: finding for finding in log.findings if finding.code == "M024"}
    assert (found["voltage_volt"].row, found["voltage_volt"].count, found["voltage_volt"].value) == (1, 2, "bad")
    assert found["voltage_volt"].examples == [1, 4]
    assert (found["local_time"].row, found["local_time"].count) == (1, 2)


def test_test_time_is_never_made_up() -> None:
    _, _, log = run([table({"Voltage": [1.0], "Date": ["2026-01-01 00:00:00"]})])
    assert codes(log) == {"M023"}
    stamps = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ms", tz="Europe/Berlin"))
    rows, _, log = run([table({"Voltage": [1.0], "Stamp": stamps})])
    assert rows["unix_time_second"].to_pylist() == [1767225600.0]
    assert not log.findings


STATES = ["Rest", "CC Chg", "CC Chg", "Rest", "CC DChg", "CC DChg", "Rest"]


@pytest.mark.parametrize(
    ("current", "states", "expected", "verdict"),
    [
        ([0, 2, 2, 0, -2, -1, 0], STATES, [0, 2, 2, 0, -2, -1, 0], "signed"),
        ([0, 2, 2, 0, 2, 1, 0], STATES, [0, 2, 2, 0, -2, -1, 0], "state"),
        ([0, -2, -2, 0, 2, 1, 0], STATES, [0, 2, 2, 0, -2, -1, 0], "reversed"),
        ([0, -2, -2, 0, -2, -1, 0], STATES, [0, 2, 2, 0, -2, -1, 0], "state"),
        ([2, 1], ["D", "d"], [-2, -1], "state"),
        ([-2, -1], ["D", "D"], [-2, -1], "signed"),
        ([2, 1], ["C", "C"], [2, 1], "signed"),
        ([-2, -1], ["C", "C"], [2, 1], "reversed"),
        ([2, 2, 0.5], ["D", "C", "C"], [-2, 2, 0.5], "state"),
        ([1, -1], ["SIM", "SIM"], [1, -1], "unproven"),
        ([0, 0], ["Rest", "Rest"], [0, 0], "unproven"),
    ],
)
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_sign_of_current(current: list[float], states: list[str], expected: list[float], verdict: str, rows: int) -> None:
    data = {"Total Time": pa.array([0.0] * len(current)), "Current": [float(value) for value in current], "Step Type": states}
    found, test, log = run([table(data | {"Power": [3.0 * value for value in current]}, rows=rows)])
    assert found["current_ampere"].to_pylist() == expected
    assert found["power_watt"].to_pylist() == [3.0 * value for value in expected]
    assert not any(math.copysign(1, value) < 0 for value in found["current_ampere"].to_pylist() if value == 0)
    assert test["current_sign"] == verdict
    assert codes(log) == ({"M020"} if verdict == "unproven" and any(current) else set())


def test_a_trickle_is_no_evidence_of_sign() -> None:
    current, states = [-5.0, 0.001, -5.0], ["D", "D", "D"]
    found, test, _ = run([table({"Total Time": [0.0] * 3, "Current": current, "Step Type": states})])
    assert (found["current_ampere"].to_pylist(), test["current_sign"]) == (current, "signed")
    noise = [5.0, -0.001, 5.0, 5.0]
    found, test, _ = run([table({"Total Time": [0.0] * 4, "Current": noise, "Step Type": ["C", "D", "D", "D"]})])
    assert found["current_ampere"].to_pylist() == [5.0, -0.001, -5.0, -5.0]
    assert test["current_sign"] == "state"


def test_rows_against_their_state_and_unknown_words_are_named() -> None:
    data = {"Total Time": [0.0] * 4, "Current": [2.0, -2.0, -2.0, 2.0], "Step Type": ["C", "D", "C", "D"]}
    _, _, log = run([table(data, rows=2)])
    (found,) = log.findings
    assert (found.code, found.count, found.row) == ("M021", 2, 2)
    data = {"Total Time": [0.0] * 3, "Current": [2.0, 2.0, 2.0], "Step Type": ["C", "D", "Pulse"]}
    _, test, log = run([table(data)])
    (found,) = log.findings
    assert (test["current_sign"], found.code, found.value) == ("state", "M022", "pulse")


@pytest.mark.parametrize(("known", "expected"), [("signed", [1.0, -1.0, 0.0]), ("reversed", [-1.0, 1.0, 0.0])])
def test_a_format_may_define_the_sign(known: str, expected: list[float]) -> None:
    facts = FACTS | {"sign": {"known": known}}
    found, test, log = run([table({"Total Time": [0.0] * 3, "Current": [1.0, -1.0, 0.0]})], facts)
    assert (found["current_ampere"].to_pylist(), test["current_sign"]) == (expected, known)
    assert not log.findings


def test_words_replace_codes() -> None:
    column = {"from": ["State"], "to": "step_type", "by": "words", "with": "states"}
    facts = FACTS | {"column": [*FACTS["column"][:4], column], "words": {"states": {"1": "CC Chg", "2": "CC DChg"}}}  # type: ignore[index]
    found, test, _ = run([table({"Total Time": [0.0] * 3, "Current": [1.0, 1.0, 0.0], "State": pa.array([1, 2, 9], pa.uint8())})], facts)
    assert found["step_type"].to_pylist() == ["CC Chg", "CC DChg", "9"]
    assert (found["current_ampere"].to_pylist(), test["current_sign"]) == ([1.0, -1.0, 0.0], "state")


def test_info_becomes_the_test_row_and_the_rest_is_kept() -> None:
    info = Document("info", {"Device": {"Channel": 7, "Rack": "b"}, "mass": "0.25", "owner": "lab", "empty": ""})
    _, test, log = run([info, table({"Voltage": [1.0], "Total Time": [0.0]})])
    assert (test["channel"], test["active_mass_mg"], test["extra"]) == ("7", 250.0, '{"Device":{"Rack":"b"},"owner":"lab"}')
    assert (test["test_id"], test["source_id"]) == ("s1", "s1")
    assert not log.findings
    _, test, log = run([Document("info", {"mass": "heavy"}), table({"Voltage": [1.0], "Total Time": [0.0]})])
    assert (test["active_mass_mg"], test["extra"], codes(log)) == (None, '{"mass":"heavy"}', {"M025"})


def test_parts_without_a_place_are_lost_by_name() -> None:
    part = table({"Voltage": [1.0], "Total Time": [0.0]})
    _, _, log = run([part, table({"x": [1]}, name="steps"), Document("notes", "x")])
    assert [loss.what for loss in log.losses] == ["steps", "notes"]


def test_a_table_without_rows_keeps_its_columns() -> None:
    empty = table({"Voltage": pa.array([], pa.float64()), "Total Time": pa.array([], pa.string())})
    rows, _, _ = run([Table("records", empty.schema, iter(()))])
    assert (rows.num_rows, rows.schema.names) == (0, ["test_time_second", "voltage_volt"])


def test_shipped_mappings_name_known_columns_units_and_words_once() -> None:
    for name in spec.names("mappings"):
        facts = spec.facts("mappings", name)
        if facts["kind"] != "columns":
            continue
        assert isinstance(facts, MappingProxyType)
        for row in facts["column"]:
            spec.table("timeseries").column(row["to"])
        for row in facts.get("test", ()):
            spec.table("test").column(row["to"])
        homes = [(name, row["to"]) for row in facts["column"] for name in row["from"]]
        assert len(homes) == len(set(homes)), name
        words = [fold(word) for key in ("charge", "discharge", "idle") for word in facts.get("sign", {}).get(key, ())]
        assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["2024-01-02"], "ymd"),
        (["13/01/2024 10:00:00", "14/01/2024 10:00:00"], "dmy"),
        (["01/13/2024 10:00:00", "01/14/2024 10:00:00"], "mdy"),
        (["13/14/2024", "14/13/2024"], ""),
        (["01/02/2024 10:00:00", "01/03/2024 09:00:00", "02/01/2024 08:00:00"], "mdy"),
        (["01/02/2024 10:00:00", "02/02/2024 09:00:00", "01/03/2024 08:00:00"], "dmy"),
        (["01/02/2024 10:00:00", "01/02/2024 10:00:01"], ""),
        (["04.05.2023 21:59:00", "04.05.2023 21:59:01"], "dmy"),
        (["04/05/2023 23:59:30", "05/05/2023 00:00:30"], "dmy"),
        (["04/05/2023 23:59:30", "04/06/2023 00:00:30"], "mdy"),
        (["04/05/2023 10:00:00", "05/05/2023 10:00:00"], ""),
        (["23-Nov-23 3:56:08 PM"], "dmy"),
        (["16:05:31"], ""),
        ([None], ""),
    ],
)
def test_the_values_show_the_order_of_a_date_or_it_stays_open(texts: list[str | None], order: str) -> None:
    assert dates.order_of(pa.array(texts, pa.string())) == order


@pytest.mark.parametrize(
    ("texts", "usual", "order"),
    [
        (["04.05.2023 21:59:00"], "mdy", "dmy"),
        (["04/05/2023 23:59:30", "05/05/2023 00:00:30"], "mdy", "dmy"),
        (["04/05/2023 21:59:00"], "mdy", "mdy"),
        (["04/05/2023 21:59:00"], "dmy", "dmy"),
        (["04/05/2023 09:59:00 PM"], "dmy", "mdy"),
        (["13/05/2023 09:59:00 PM"], "dmy", "dmy"),
        (["59:01.0"], "mdy", ""),
    ],
)
def test_what_the_values_show_stands_above_the_usual_order_of_a_maker(texts: list[str], usual: str, order: str) -> None:
    assert dates.order_of(pa.array(texts, pa.string()), usual) == order


@pytest.mark.parametrize(
    ("text", "local", "utc"),
    [
        ("2025-06-06T08:15:02+02:00", datetime(2025, 6, 6, 8, 15, 2), 1749190502.0),
        ("2025-06-06T08:15:32.500+0200", datetime(2025, 6, 6, 8, 15, 32, 500000), 1749190532.5),
        ("2025-06-06 08:15:02 Z", datetime(2025, 6, 6, 8, 15, 2), 1749197702.0),
        ("2025-06-06 08:15:02-05:30", datetime(2025, 6, 6, 8, 15, 2), 1749217502.0),
    ],
)
def test_an_offset_gives_wall_time_and_utc(text: str, local: datetime, utc: float) -> None:
    texts = pa.array([text, None])
    assert dates.has_offset(texts)
    assert dates.wall_times(dates.without_offset(texts)).to_pylist() == [local, None]
    assert dates.instants(texts).to_pylist() == [utc, None]


def test_a_date_is_not_taken_for_one_with_an_offset() -> None:
    assert not dates.has_offset(pa.array(["2025-06-06"]))
    assert dates.instants(pa.array(["2025-06-06 08:00:00"])).to_pylist() == [None]


def test_day_numbers_of_excel_and_matlab() -> None:
    assert dates.serial(pa.array([43374.46, None, 1e300]), "excel").to_pylist() == [datetime(2018, 10, 1, 11, 2, 24), None, None]
    assert dates.serial(pa.array([719529.5]), "matlab").to_pylist() == [datetime(1970, 1, 1, 12)]


def signs(
    current: list[float], voltage: list[float], rows: int = 100, default: str = "", **more: list[float]
) -> tuple[list[float], str, Log]:
    facts = {
        "kind": "columns",
        "sign": {"default": default},
        "format": "test",
        "column": [
            {"from": ["I"], "to": "current_ampere", "by": "sign"},
            {"from": ["U"], "to": "voltage_volt"},
            {"from": ["Qc"], "to": "charging_capacity_ah"},
            {"from": ["Qd"], "to": "discharging_capacity_ah"},
        ],
    }
    whole = pa.RecordBatch.from_pydict({"I": current, "U": voltage, **more})
    batches = [whole.slice(start, rows) for start in range(0, whole.num_rows, rows)]
    log = Log()
    found = list(columns.to_canonical([Table("records", whole.schema, iter(batches))], facts, Context("x.csv", "s1", log)))
    series = [value for chunk in found if "timeseries" in chunk for value in chunk["timeseries"].column("current_ampere").to_pylist()]
    return series, found[-1]["test"].column("current_sign")[0].as_py(), log


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_the_voltage_tells_a_signed_column_from_a_turned_one(rows: int) -> None:
    current, voltage = [0.0, 1.0, 1.0, -1.0, -1.0, 0.0], [3.5, 3.6, 3.62, 3.4, 3.38, 3.48]
    assert signs(current, voltage, rows)[:2] == (current, "signed")
    assert signs([-value for value in current], voltage, rows)[:2] == (current, "reversed")


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_an_unsigned_column_without_states_is_unproven(rows: int) -> None:
    current, sign, log = signs([0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [3.5, 3.6, 3.62, 3.55, 3.4, 3.38], rows)
    assert (current, sign) == ([0.0, 1.0, 1.0, 0.0, 1.0, 1.0], "unproven")
    assert {finding.code: finding.severity for finding in log.findings if finding.code != "M023"} == {"M020": "error"}


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_rising_counters_give_an_unsigned_column_its_sign(rows: int) -> None:
    counters = {"Qc": [0.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1], "Qd": [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.1]}
    current, sign, log = signs([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0], [3.5, 3.6, 3.62, 3.55, 3.4, 3.38, 3.45], rows, **counters)
    assert (current, sign, codes(log)) == ([0.0, 1.0, 1.0, 0.0, -1.0, -1.0, 0.0], "state", {"M023"})


def test_a_defined_sign_is_turned_by_many_answers_only() -> None:
    spike = [1.0, 1.0, -9.0, 1.0]
    assert signs(spike, [3.7, 3.7, 9.9, 3.7], default="signed")[:2] == (spike, "signed")
    current = [0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0]
    voltage = [3.5, 3.4, 3.5, 3.4, 3.5, 3.6, 3.5]
    turned = [0.0, -1.0, 0.0, -1.0, 0.0, 1.0, 0.0]
    assert signs(current, voltage, default="signed")[:2] == (turned, "reversed")
    assert signs(current, [7.0 - value for value in voltage], default="signed")[:2] == (current, "signed")


def test_a_turned_sign_that_later_rows_deny_is_unproven() -> None:
    current = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    voltage = [3.5, 3.4, 3.5, 3.4, 3.5, 3.4, 3.5]
    later = [4.0 + (3.5 - value) for value in voltage]
    _, sign, log = signs(current * 2, voltage + later, 7, default="signed")
    assert (sign, "M020" in codes(log)) == ("unproven", True)


def test_an_assumed_zone_gives_utc_and_must_exist() -> None:
    stamps = pa.array([datetime(2026, 7, 1, 12), datetime(2026, 1, 1, 12), None], pa.timestamp("us"))
    assert dates.in_zone(stamps, "Europe/Berlin").to_pylist() == [1782900000.0, 1767265200.0, None]
    with pytest.raises(UsageError, match="Mars/Base"):
        dates.in_zone(stamps, "Mars/Base")
