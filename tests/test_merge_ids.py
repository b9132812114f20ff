"""Maps of names: any table of two columns or more; one name for two items is an error with its lines."""

from pathlib import Path

import pytest

from bdx.errors import BdxError, SourceError, UsageError
from bdx.pipeline.ids_file import read_ids
from bdx.pipeline.name_hashes import hashes, hashes_of


def ids_of(tmp_path: Path, text: str, name: str = "ids.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.csv", "channel,serial_number,lab\nch1,A1,lab-7\nch2,A2,\n"),
        ("ids.tsv", "channel\tserial_number\tlab\nch1\tA1\tlab-7\nch2\tA2\t\n"),
        ("ids.csv", "\ufeffKanal;Serial Number;Labor\nch1;A1;lab-7\nch2;A2;\n"),
        ("ids.jsonl", '{"channel": "ch1", "serial_number": "A1", "lab": "lab-7"}\n{"channel": "ch2", "serial_number": "A2"}\n'),
        ("ids.json", '[{"channel": "ch1", "serial_number": "A1", "lab": "lab-7"}, {"channel": "ch2", "serial_number": "A2"}]'),
        ("ids.csv", "serial_number,name\nA1,ch1\nA1,lab-7\nA2,ch2\n"),
        ("ids.csv", "name,what\nch1,A1\nlab-7,A1\nch2,A2\n"),
    ],
)
def test_names_of_one_item(tmp_path: Path, name: str, text: str) -> None:
    ids = read_ids(str(ids_of(tmp_path, text, name)))
    assert {ids.first(word) for word in ("ch1", "A1", "lab-7")} == {"A1"}
    assert {ids.first(word) for word in ("ch2", "A2")} == {"A2"}
    assert ids.first("zz") == "zz"
    assert set(ids.all_of("ch1")) == {"ch1", "A1", "lab-7"}


def test_names_of_files_count_with_and_without_endings(tmp_path: Path) -> None:
    ids = read_ids(str(ids_of(tmp_path, "serial_number,file\nA1,cell_0042.ndax\nA2,cell_0043\n")))
    assert ids.of_file("/data/cycler/cell_0042.ndax") == "A1"
    assert ids.of_file("cell_0043.csv.gz") == "A2"
    assert ids.of_file("cell_0042.csv") == ""


@pytest.mark.parametrize(
    "text",
    ["serial_number,channel\nA1,ch1\nA2,ch2\nA3,ch1\n", "a,b\nx,A1\nx,A2\ny,A2\n"],
)
def test_one_name_for_two_items_is_an_error_with_lines(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"one name for two items: '(ch1|A2)' names (A1 \(line 2\) and A3|x \(line 3\) and y) \(line 4\)"):
        read_ids(str(ids_of(tmp_path, text)))


@pytest.mark.parametrize(
    "text", ["", " \n", "a\nb\n", "a,b\n", "a,b\n1,2,3\n", '{"a": 1', '{"a": {"b": 1}, "c": "x"}', "[1, 2]", 'a,b\n"x,1\n']
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BdxError):
        read_ids(str(ids_of(tmp_path, text)))
    with pytest.raises(SourceError):
        read_ids(str(tmp_path / "nowhere.csv"))


def test_hashes_tell_names_apart_and_do_not_hang_on_slices() -> None:
    import pyarrow as pa

    words = [f"BX36-{number}" for number in range(40_000)] + ["", None, "x" * 10_000, "ä", "a\0", "a"]
    whole = hashes(pa.array(words))
    assert len(set(whole.tolist())) == len(words) - 1
    assert whole[40_000] == whole[40_001] == 0
    assert hashes(pa.array(words).slice(39_990)).tolist() == whole[39_990:].tolist()
    assert hashes_of(["BX36-7"])[0] == whole[7]
