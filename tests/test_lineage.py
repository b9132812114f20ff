"""Lineage: what an item was made of and what became of it, held against cases of fixtures and a naive reference."""

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdx import canon, convert, spec
from bdx.cli import run
from bdx.derive.lineage import trace
from bdx.derive.lineage_graph import Graph
from bdx.derive.lineage_rows import Rows
from bdx.errors import SourceError, UsageError
from bdx.pipeline.tracing import Factory, follow, lineage, load
from bdx.report import lineage_drawn, lineage_json, lineage_text
from bdx.report.lineage_rows import EVERYTHING, Extent

CASES = Path(__file__).resolve().parents[1] / "fixtures" / "lineage"
WORLD = Path(__file__).resolve().parents[1] / "fixtures" / "world"
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples" / "mes"
RUNS = [
    pytest.param(case, one, id=f"{case.name} {' '.join(one['args'])}")
    for case in sorted(CASES.iterdir())
    for one in json.loads((case / "expect.json").read_text("utf-8"))["runs"]
]
DAY = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = [
    'a"b',
    "a\nb",
    "[x](y)",
    "]:::x",
    "}\n  evil[",
    "#quot;",
    "<script>",
    "\u202eabc",
    "ünï 电池",
    "x" * 10_240,
    "a\\",
    "%%{init}%%",
    "`",
    "--> b",
]


@pytest.mark.parametrize(("case", "one"), RUNS)
def test_cases(case: Path, one: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    sources = [str(case / name) for name in json.loads((case / "expect.json").read_text("utf-8"))["sources"]]
    code = run(["lineage", *sources, *one["args"]])
    told = capsys.readouterr()
    assert told.out.splitlines() == one["stdout"]
    assert [line.replace(f"{case}/", "") for line in told.err.splitlines()] == one["stderr"]
    assert code == one["exit"]


def graph_of(edges: list[dict[str, Any]], items: list[dict[str, Any]] | None = None) -> Graph:
    rows = Rows()
    usual = {"relation": "consumed", "match_basis": "scan", "is_estimated": False}
    rows.take("genealogy", canon.from_rows("genealogy", [usual | edge for edge in edges]))
    if items:
        rows.take("item", canon.from_rows("item", items))
    return Graph(rows, spec.load(spec.root() / "lineage.toml", "lineage"))


def edge(source: object, target: object, **facts: Any) -> dict[str, Any]:
    return {"input_item_id": str(source), "output_item_id": str(target), **facts}


def names(graph: Graph, nodes: Any) -> set[str]:
    return {graph.id(node) for node in nodes}


def reached(ways: set[tuple[str, str]], begin: str) -> set[str]:
    seen, waiting = {begin}, [begin]
    while waiting:
        node = waiting.pop()
        new = {end for start, end in ways if start == node} - seen
        seen |= new
        waiting += new
    return seen


NODE = st.integers(0, 7).map(str)


@given(st.lists(st.tuples(NODE, NODE, st.booleans()), min_size=1, max_size=24), st.sets(NODE, max_size=2))
@settings(max_examples=300, deadline=None)
def test_reach_is_that_of_a_naive_walk(pairs: list[tuple[str, str, bool]], trays: set[str]) -> None:
    graph = graph_of(
        [edge(left, right, is_estimated=guess) for left, right, guess in pairs],
        [{"item_id": name, "item_kind": "carrier"} for name in sorted(trays)],
    )
    for begin in {left for left, _, _ in pairs}:
        found = trace(graph, [graph.number(begin)])
        kept = [pair for pair in pairs if pair[0] != pair[1]]
        for side, turned in ((found.down, False), (found.up, True)):
            assert side is not None
            usable = [
                (pair[1], pair[0], pair[2]) if turned else pair
                for pair in kept
                if not trays & set(pair[:2]) or (begin in trays and (pair[1] if turned else pair[0]) == begin)
            ]
            everything = reached({(left, right) for left, right, _ in usable}, begin)
            sure = reached({(left, right) for left, right, guess in usable if not guess}, begin)
            assert names(graph, side.nodes) == everything
            assert len(side.nodes) == len(everything)
            assert names(graph, side.nodes[~side.estimated]) == sure
            assert len(side.edges) == sum(left in everything for left, _, _ in usable)


@given(st.lists(st.tuples(NODE, NODE), min_size=1, max_size=16, unique=True))
@settings(max_examples=200, deadline=None)
def test_a_circle_is_named_where_there_is_one(pairs: list[tuple[str, str]]) -> None:
    graph = graph_of([edge(left, right) for left, right in pairs])
    for begin in {left for left, _ in pairs}:
        side = trace(graph, [graph.number(begin)], up=False).down
        assert side is not None
        inside = {pair for pair in pairs if pair[0] in reached(set(pairs), begin)}
        circular = any(left == right or left in reached(inside, right) for left, right in inside)
        assert bool(side.circle) == circular
        ring = [graph.id(node) for node in side.circle]
        assert all((ring[at - 1], ring[at]) in inside for at in range(len(ring)))


ACTED = st.tuples(
    st.sampled_from("AB"), st.sampled_from(["s1", "s2", None]), st.sampled_from([1, 2, None]), st.sampled_from([None, "change", "delete"])
)


@given(st.lists(ACTED, min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_corrections_are_those_of_a_naive_loop(rows: list[tuple[str, str | None, int | None, str | None]]) -> None:
    edges = [
        edge(source, "X", step_run_id=step, position_index=place, record_action=action, quantity=float(number))
        for number, (source, step, place, action) in enumerate(rows)
    ]
    left: list[tuple[int, Any]] = []
    for number, (source, step, place, action) in enumerate(rows):
        if action == "delete":
            left = [old for old in left if not (old[1][0] == source and (step is None or old[1][1] == step))]
            continue
        if action == "change":
            left = [old for old in left if old[1] != (source, step, place)]
        left.append((number, (source, step, place)))
    graph = graph_of(edges)
    assert graph.edges.number("quantity").tolist() == [number for number, _ in left]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans()), min_size=1, max_size=10))
@settings(max_examples=300, deadline=None)
def test_taking_out_ends_what_was_put_in_before(events: list[tuple[str, bool]]) -> None:
    rows, spans = [], []
    for hour, (child, taken) in enumerate(events):
        at = DAY + timedelta(hours=hour)
        rows.append(edge(child, "P", relation="packed_in", **({"removed_at": at} if taken else {"occurred_at": at})))
        before = any(name == child for name, _ in events[:hour])
        if not taken:
            spans.append([child, hour, None])
        elif not before:
            spans.append([child, None, hour])
        for span in spans if taken else ():
            if span[0] == child and span[2] is None:
                span[2] = hour
    graph = graph_of(rows)
    never, always = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    start, hour_us = int(DAY.timestamp() * 1e6), 3_600_000_000
    found = [
        [graph.id(source), None if since == always else (since - start) // hour_us, None if until == never else (until - start) // hour_us]
        for source, since, until in zip(
            *(array.tolist() for array in (graph.edges.source, graph.edges.since, graph.edges.until)), strict=True
        )
    ]
    assert sorted(found, key=str) == sorted(spans, key=str)


SPAN = st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda span: (float(span[0]), float(span[0] + span[1])))
STRETCHES = st.lists(st.tuples(NODE, NODE, SPAN, SPAN, st.booleans()), min_size=1, max_size=10)


def by_paths(edges: list[Any], begin: str, asked: tuple[float, float]) -> set[int]:
    """Return the edges that some path without repeated items follows, each path with a stretch of its own."""
    found: set[int] = set()
    waiting = [(begin, asked, {begin})]
    while waiting:
        node, (low, high), path = waiting.pop()
        for number, (left, right, near, far, known) in enumerate(edges):
            if left != node or left == right:
                continue
            start, stop = (max(low, near[0]), min(high, near[1])) if known else (low, high)
            if start >= stop:
                continue
            found.add(number)
            scale = (far[1] - far[0]) / (near[1] - near[0])
            span = (far[0] + (start - near[0]) * scale, far[0] + (stop - near[0]) * scale) if known else (-np.inf, np.inf)
            if right not in path:
                waiting.append((right, span, path | {right}))
    return found


@given(STRETCHES, SPAN)
@settings(max_examples=200, deadline=None)
def test_stretches_lose_no_path(edges: list[Any], asked: tuple[float, float]) -> None:
    columns = ("in_from_m", "in_to_m", "out_from_m", "out_to_m")
    graph = graph_of([edge(a, b, **(dict(zip(columns, (*near, *far), strict=True)) if known else {})) for a, b, near, far, known in edges])
    begin = edges[0][0]
    side = trace(graph, [graph.number(begin)], up=False, stretch=asked).down
    assert side is not None
    all_ways = {(left, right) for left, right, *_ in edges}
    expected = by_paths(edges, begin, asked)
    assert expected <= set(side.edges.tolist())
    assert names(graph, side.nodes) <= reached(all_ways, begin)
    single = all(sum(other[1] == right for other in edges) == 1 and right != begin for _, right, *_ in edges)
    if single:
        assert set(side.edges.tolist()) == expected


def test_long_chain_and_wide_fan() -> None:
    count = 100_000
    graph = graph_of([edge(f"N{number}", f"N{number + 1}") for number in range(count)])
    start = time.perf_counter()
    found = trace(graph, [graph.number("N50000")])
    assert time.perf_counter() - start < 20
    assert found.up is not None and found.down is not None
    assert (len(found.up.nodes), len(found.down.nodes)) == (count // 2 + 1, count // 2 + 1)
    lines = list(lineage_text.render(found, Extent()))
    assert len(lines) < 900 and any("and 1 more" in line for line in lines)
    longest = max(len(line) for line in lineage_text.render(found, EVERYTHING))
    assert longest < 400
    ring = graph_of([edge(number, (number + 1) % 5_000) for number in range(5_000)])
    side = trace(ring, [0]).down
    assert side is not None and len(side.circle) == 5_000
    fan = graph_of([edge("S", f"C{number:05d}") for number in range(4_133)])
    text = list(lineage_text.render(trace(fan, [fan.number("S")]), Extent()))
    assert text[7] == "└── ... and 4,128 more"
    shown = list(lineage_text.render(trace(fan, [fan.number("S")]), EVERYTHING))
    assert sum("C0" in line for line in shown) == 4_133


BOX = re.compile(r'^  ([nm]\d+)\["([\w \-.,:/()+#;]|<br/>)*"\](:::asked)?$', re.ASCII)
ARROW = re.compile(r'^  ([nm]\d+) (-->|-\.->)(\|"[\w \-.,:/()+#;]*"\|)? ([nm]\d+)$', re.ASCII)
DOT_TEXT = r'"(?:[^"\\\n]|\\.)*"'
DOT_BOX = re.compile(rf"^  ([nm]\d+) \[label=({DOT_TEXT})(, style=bold)?\];$")
DOT_ARROW = re.compile(rf"^  ([nm]\d+) -> ([nm]\d+) \[label={DOT_TEXT}(, style=dashed)?\];$")


def test_hostile_identifiers_stay_text(tmp_path: Path) -> None:
    graph = graph_of([edge(HOSTILE[0], name, is_estimated=True) for name in HOSTILE[1:]])
    factory = Factory(graph, ["made.csv"])
    result = follow(factory, HOSTILE[0])
    mermaid = list(lineage_drawn.mermaid(result.lineage, EVERYTHING))
    assert (mermaid[0], mermaid[-1]) == ("flowchart LR", "  classDef asked stroke-width:3px")
    boxes = [found[1] for line in mermaid[1:-1] if (found := BOX.match(line))]
    arrows = [found for line in mermaid[1:-1] if (found := ARROW.match(line))]
    assert (len(boxes), len(arrows)) == (len(HOSTILE), len(HOSTILE) - 1) and len(boxes) + len(arrows) == len(mermaid) - 2
    assert all(found[2] == "-.->" and {found[1], found[4]} <= set(boxes) for found in arrows)
    dot = list(lineage_drawn.dot(result.lineage, EVERYTHING))
    drawn = dot[2:-1]
    assert sum(bool(DOT_BOX.match(line)) for line in drawn) == len(HOSTILE)
    assert sum(bool(DOT_ARROW.match(line)) for line in drawn) == len(HOSTILE) - 1 == len(drawn) - len(HOSTILE)
    document = json.loads("\n".join(lineage_json.render(result)))
    assert {node["id"] for node in document["nodes"]} == set(HOSTILE)
    text = list(lineage_text.render(result.lineage, EVERYTHING))
    assert len(text) == 2 + len(HOSTILE) - 1 + 3
    assert not any(sign in line for line in text for sign in "\n\r\u202e\x1b")
    for name in HOSTILE:
        assert follow(factory, name).lineage.graph.id(follow(factory, name).lineage.begin[0]) == name
    with pytest.raises(UsageError):
        follow(factory, "z" * 20_000)


def test_deleted_records_and_nameless_edges(tmp_path: Path) -> None:
    items = [
        {"item_id": "A", "item_kind": "cell", "status": "scrapped"},
        {"item_id": "A", "record_action": "delete"},
        {"item_id": "B", "item_kind": "cell", "serial_number": "1"},
        {"item_id": "B", "item_kind": "module", "record_action": "change"},
        {"item_id": "C", "item_kind": "cell"},
        {"item_id": "C", "record_action": "delete"},
        {"item_id": "C", "item_kind": "pack"},
    ]
    graph = graph_of([edge("A", "B"), edge("B", "C")], items)
    labels = {name: graph.label(graph.number(name)) for name in "ABC"}
    assert labels == {"A": "unknown", "B": "module", "C": "pack"}
    assert not graph.scrap.any()
    assert graph.items([graph.number("B")])[0]["serial_number"] == "1"
    (tmp_path / "genealogy.csv").write_text(
        "input_item_id,output_item_id,relation,match_basis,is_estimated\nA,,consumed,scan,false\nA,B,split,scan,false\n"
    )
    found = lineage([tmp_path / "genealogy.csv"], "A")
    assert [(loss.what, loss.count) for loss in found.losses] == [("rows of genealogy", 1)]


def test_colour_only_where_it_is_wanted() -> None:
    found = follow(Factory(graph_of([edge("A", "B", is_estimated=True)]), ["made.csv"]), "A").lineage
    plain, painted = (list(lineage_text.render(found, Extent(), color=color)) for color in (False, True))
    assert not any("\x1b" in line for line in plain)
    assert "\x1b[33m~\x1b[0m" in painted[2]
    assert [re.sub("\x1b\\[[0-9]+m", "", line) for line in painted] == plain


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / "recall"
    args = ["lineage", *(str(case / name) for name in ("genealogy.csv", "item.csv", "process_step.csv")), "S-17", "-O", "json"]
    assert run([*args, "--depth", "1"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "bdx-lineage/1"
    assert {node["id"]: node["level"] for node in document["nodes"]} == {"S-17": 0, "R1": 1, "ROLL": 1, "C1": 2, "C2": 2, "P1": 3}
    assert {node["id"] for node in document["nodes"] if node["estimated"]} == {"C2"}
    assert {node["id"] for node in document["nodes"] if node["scrapped"]} == {"C2"}
    first = next(one for one in document["edges"] if one["from"] == "R1")
    assert first["step"]["equipment_id"] == "MIXER-01" and first["quantity"] == 12.5 and first["match_basis"] == "scan"
    removed = next(one for one in document["edges"] if one["from"] == "C2")
    assert removed["removed_at"] == "2026-01-03T10:00:00+00:00"
    assert document["summary"]["down"]["kinds"] == {"cell": 2, "coated_roll": 1, "pack": 1}


def test_several_items_are_listed_or_all_followed(tmp_path: Path) -> None:
    rows = "item_id,item_kind,lot_id,material_definition_id\nC1,cell,LOT-9,M\nC2,cell,LOT-9,M\nP,pack,,M\n"
    (tmp_path / "item.csv").write_text(rows)
    edges = "input_item_id,output_item_id,relation,match_basis,is_estimated\nC1,P,assembled,scan,false\nC2,P,assembled,scan,false\n"
    (tmp_path / "genealogy.csv").write_text(edges)
    sources = [tmp_path / "item.csv", tmp_path / "genealogy.csv"]
    with pytest.raises(UsageError, match=r"means 2 items: C1 \(cell\), C2 \(cell\); name one"):
        lineage(sources, "LOT-9")
    found = lineage(sources, "LOT-9", every=True).lineage
    assert found.down is not None and len(found.begin) == 2 and found.counted["down"].kinds == {"pack": 1}
    with pytest.raises(UsageError, match=r"did you mean 'LOT-9'"):
        lineage(sources, "lot_9")


def test_a_source_without_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no items and no genealogy"):
        lineage([WORLD / "cycler.ndax"], "X")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + bytes(40))
    assert run(["lineage", str(tmp_path / "broken.parquet"), "X"]) == 3
    assert run(["lineage", str(WORLD / "line.xml"), "BX36-0000042"]) == 2


def parts(source: Path, item: str) -> dict[str, Any]:
    found = lineage([source], item).lineage
    graph = found.graph
    return {
        name: ({graph.id(node) for node in side.nodes}, {graph.id(node) for node in side.nodes[side.estimated]})
        for name, side in found.sides.items()
    }


@pytest.mark.parametrize("target", ["data/", "line.epcis.json"])
@pytest.mark.parametrize("item", ["BX36-000042", "RC-C-0017", "NMC-L778"])
def test_what_bdx_writes_has_the_same_lineage(tmp_path: Path, target: str, item: str) -> None:
    convert([WORLD / "line.xml"], f"{tmp_path}/{target}", to="epcis" if "epcis" in target else None)
    written, read = parts(tmp_path / target, item), parts(WORLD / "line.xml", item)
    assert written == read


def test_a_data_set_is_read_by_columns(tmp_path: Path) -> None:
    convert([WORLD / "line.xml"], f"{tmp_path}/data/")
    (tmp_path / "data" / "process_parameter.parquet").write_bytes(b"not read")
    assert len(load([tmp_path / "data"]).graph.ids)
    file = tmp_path / "data" / "genealogy.parquet"
    file.write_bytes(file.read_bytes().replace(b"NMC-L778", b"NMC-L779", 1))
    with pytest.raises(SourceError, match="sha256"):
        load([tmp_path / "data"])


def test_a_pipe_and_a_file_together() -> None:
    case = CASES / "recall"
    args = [sys.executable, "-m", "bdx", "lineage", "-", str(case / "item.csv"), "C1", "--up"]
    done = subprocess.run(args, input=(case / "genealogy.csv").read_bytes(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0 and "R1  raw material lot" in done.stdout.decode()


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published samples are not here")
def test_samples_are_followed() -> None:
    found = lineage([SAMPLES / "b2mml-synthetic" / "operations_performance_v0701_pilot_line.xml"], "CELL-000001").lineage
    assert names(found.graph, found.up.nodes if found.up else []) == {
        "CELL-000001",
        "RC-C-0017",
        "SL-C-0042",
        "AL-R-9",
        "NMC-L778",
        "PVDF-L12",
    }
