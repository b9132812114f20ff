"""Output appears whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from bdx.errors import SinkError
from bdx.formats.sink import INTERRUPTED, Destination


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with Destination(path) as sink:
        sink.write(b"abc")
        assert not path.exists()
        assert sink.seekable()
        assert sink.readable()
    assert path.read_bytes() == b"abc"
    assert names(tmp_path) == ["out.bin"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError(28, "No space left on device")])
@pytest.mark.parametrize("folder", [False, True])
def test_nothing_is_left_of_a_failure(error: BaseException, folder: bool, tmp_path: Path) -> None:
    path = tmp_path / "out"
    expected = SinkError if isinstance(error, OSError) else error
    with pytest.raises(expected), Destination(path, folder=folder) as sink:  # type: ignore[call-overload, arg-type]
        if folder:
            (sink / "part").write_bytes(b"x")
        else:
            sink.write(b"x")
        raise error
    assert names(tmp_path) == []


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(SinkError, match="--force"), Destination(path):
        pass
    with pytest.raises(ValueError, match="broken"), Destination(path, force=True) as sink:
        sink.write(b"new")
        raise ValueError("broken")
    assert path.read_bytes() == b"old"
    with Destination(path, force=True) as sink:
        sink.write(b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(SinkError, match="appeared"), Destination(path) as sink:
        sink.write(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out"]


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"data")
    (tmp_path / "alias").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    for name in ("data", "alias", "hard"):
        with pytest.raises(SinkError, match="both source and destination"), Destination(tmp_path / name, force=True, sources=["-", path]):
            pass
    assert path.read_bytes() == b"data"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="there is no folder"), Destination(tmp_path / "no" / "out"):
        pass


def test_a_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with Destination(tmp_path / "link", force=True) as sink:
        sink.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_to() -> None:
    with Destination("/dev/null") as sink:
        sink.write(b"gone")
    assert Path("/dev/null").is_char_device()


def test_a_folder_replaces_only_a_data_set(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with Destination(path, folder=True) as sink:
        (sink / "datapackage.json").write_text("1")
    assert names(path) == ["datapackage.json"]
    with pytest.raises(SinkError, match="exists"), Destination(path, folder=True):
        pass
    with Destination(f"{path}/", folder=True, force=True) as sink:
        (sink / "datapackage.json").write_text("2")
    assert (path / "datapackage.json").read_text() == "2"
    assert names(tmp_path) == ["set"]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters").write_text("dear")
    with pytest.raises(SinkError, match="not a data set"), Destination(tmp_path / "home", folder=True, force=True):
        pass
    assert names(tmp_path / "home") == ["letters"]
    with pytest.raises(SinkError, match="expected a file"), Destination(path, force=True):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match="expected a folder"), Destination(tmp_path / "file", folder=True, force=True):
        pass


def test_standard_output_takes_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with Destination("-") as sink:
        sink.write(b"\x00\xff")
    assert capfdbinary.readouterr().out == b"\x00\xff"
    with pytest.raises(SinkError, match="folder"):
        Destination("-", folder=True)


def test_a_closed_pipe_passes_through() -> None:
    with pytest.raises(BrokenPipeError), Destination("-"):
        raise BrokenPipeError(32, "Broken pipe")


def test_an_interrupt_that_a_library_swallowed_still_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    INTERRUPTED.set()
    try:
        with pytest.raises(KeyboardInterrupt), Destination(target) as sink:
            sink.write(b"data")
    finally:
        INTERRUPTED.clear()
    assert list(tmp_path.iterdir()) == []
