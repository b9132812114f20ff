"""Compressed sources are read as what they hold, from files and pipes; what would swell or is damaged is refused in one line."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from bdx.canon import Log
from bdx.errors import CorruptSource, SourceError, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats import detect, packed
from bdx.formats.source import Source
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CSV = max((FIXTURES / "formats/neware-csv").glob("*/input.csv"), key=lambda path: path.stat().st_size)
NDAX = FIXTURES / "world/cycler.ndax"


def zipped(data: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("folder/one.csv",):
            archive.writestr(name, data)
    return file.getvalue()


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


def rows(path: Path, stdin: io.BytesIO | None = None) -> tuple[str, int, str, int]:
    options = ReadOptions(stdin=stdin)
    opened = open_source("-" if stdin else str(path), 1, options)
    count, digest, length = 0, "", 0
    for chunk in chunks(opened, options):
        count += chunk["timeseries"].num_rows if "timeseries" in chunk else 0
        if "source" in chunk:
            digest, length = chunk["source"].column("sha256")[0].as_py(), chunk["source"].column("bytes")[0].as_py()
    opened.source.close()
    return opened.format.id, count, digest, length


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("inner", [CSV, NDAX], ids=["csv", "ndax"])
def test_a_packed_source_reads_as_what_it_holds(suffix: str, piped: bool, inner: Path, tmp_path: Path) -> None:
    import hashlib

    data = PACKERS[suffix](inner.read_bytes())
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(data)
    plain = rows(inner)
    found = rows(path, io.BytesIO(data) if piped else None)
    assert found[:2] == plain[:2]
    assert found[2:] == (hashlib.sha256(data).hexdigest(), len(data)), "the hash is that of the bytes as they came"


def test_several_files_in_a_zip_are_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    path.write_bytes(zipped(CSV.read_bytes(), "a.csv", "b.csv"))
    with pytest.raises(UnsupportedVersion, match=r"archive of several files.*unpack"):
        detect(Source(str(path), Log()))


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_cut_stream_names_its_place(suffix: str, tmp_path: Path) -> None:
    import random

    noise = random.Random(1).randbytes(200_000)
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(PACKERS[suffix](noise)[:-1000])
    with pytest.raises((TruncatedSource, CorruptSource), match="byte"):
        Source(str(path), Log()).stream().read()


def test_a_flipped_stream_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(CSV.read_bytes()))
    data[len(data) // 2] ^= 0x55
    path = tmp_path / "x.gz"
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError):
        rows(path)


def test_a_bomb_is_refused_before_it_swells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_FREE", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(UnsafeSource, match="swell"):
        Source(str(path), Log()).seekable()
    member = tmp_path / "bomb.zip"
    member.write_bytes(zipped(bytes(64 << 20)))
    with pytest.raises(UnsafeSource, match="swell"):
        detect(Source(str(member), Log()))
