"""A destination that appears whole or not at all: temporary name beside it, flushed to disk, renamed at the end."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

from bdx.errors import BdxError, SinkError

DESCRIPTOR = "datapackage.json"
"""The file by which a folder is known to be a data set of bdx, so that --force may replace it."""

INTERRUPTED = threading.Event()
"""Set when a signal asks to stop. The KeyboardInterrupt it raises may be swallowed where a library calls back into Python; nothing
becomes a destination after that."""


def same_path(a: str, b: str) -> bool:
    """Say whether two names mean the same file, which need not exist; standard input and output are no files."""
    return a == b or (not {a, b} & {"-", "<stdin>"} and os.path.realpath(a) == os.path.realpath(b))


class Destination:
    """Where output goes: a path, "-" for standard output, or a folder.

    As a context manager it hands out a binary file that can be read, written and sought (for "-", a pipe or a
    device: one that can only be written), or with `folder` the path of a fresh folder. On a clean end that becomes
    the destination in one step; on any exception, KeyboardInterrupt included, nothing is left and what stood there
    before is untouched. Standard output is written as the bytes come, with `whole` only once all of them are there.
    Raises: SinkError where the path exists and `force` is not given, its folder does not exist, it is one of
    `sources`, or the disk refuses. BrokenPipeError of standard output passes through.
    """

    def __init__(
        self, path: str | Path, *, force: bool = False, folder: bool = False, whole: bool = False, sources: Iterable[str | Path] = ()
    ) -> None:
        self.name = str(path)
        self._standard = self.name == "-"
        if self._standard and folder:
            raise SinkError("a dataset folder cannot go to standard output; give a path")
        self._force = force
        self._folder = folder
        self._held: IO[bytes] | None = tempfile.TemporaryFile() if whole and self._standard else None  # noqa: SIM115 - closed on the way out
        self._sources = [str(source) for source in sources if str(source) != "-"]
        self._path = Path(os.path.realpath(self.name)) if Path(self.name).is_symlink() else Path(self.name)
        self._temporary: Path | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Any:
        if self._standard:
            if sys.stdout is None:
                raise SinkError("standard output is closed; give a path")
            self._file = sys.stdout.buffer
            return self._held or self._file
        try:
            return self._open()
        except OSError as error:
            raise SinkError(f"'{self.name}' cannot be written: {error.strerror or error}") from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._commit()
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise SinkError(f"'{self.name}' cannot be written: {fault.strerror or fault}") from fault
        finally:
            self._discard()
        if isinstance(error, OSError) and not isinstance(error, (BdxError, BrokenPipeError)):
            raise SinkError(f"'{self.name}' cannot be written: {error.strerror or error}") from error

    def _open(self) -> BinaryIO | Path:
        for source in self._sources:
            if self._path.exists() and Path(source).exists() and self._path.samefile(source):
                raise SinkError(f"'{self.name}' is both source and destination; give another path")
        parent = self._path.parent
        if not parent.is_dir():
            raise SinkError(f"'{self.name}' cannot be written: there is no folder '{parent}'")
        if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
            self._file = self._path.open("wb")  # a device or a named pipe is written to, never replaced
            return self._file
        self._refuse_existing()
        if self._folder:
            self._temporary = Path(tempfile.mkdtemp(prefix=f".{self._path.name}.", suffix=".part", dir=parent))
            return self._temporary
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", suffix=".part", dir=parent)
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w+b")
        return self._file

    def _refuse_existing(self) -> None:
        if not self._path.exists():
            return
        if not self._force:
            raise SinkError(f"'{self.name}' exists; give --force to replace it")
        if self._folder and self._path.is_file():
            raise SinkError(f"'{self.name}' is a file, expected a folder")
        if not self._folder and self._path.is_dir():
            raise SinkError(f"'{self.name}' is a folder, expected a file")
        if self._folder and any(self._path.iterdir()) and not (self._path / DESCRIPTOR).is_file():
            raise SinkError(f"'{self.name}' is a folder without {DESCRIPTOR}, not a data set; bdx does not replace it")

    def _commit(self) -> None:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        if self._file is not None and self._held is not None:
            self._held.seek(0)
            shutil.copyfileobj(self._held, self._file, 1 << 20)
        if self._file is not None:
            self._file.flush()
        if self._temporary is None:
            return
        if self._folder:
            for path in sorted(self._temporary.rglob("*")):
                _sync(path)
            self._temporary.chmod(0o777 & ~_umask())
            self._swap_folder()
        else:
            assert self._file is not None
            os.fsync(self._file.fileno())
            self._file.close()
            mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0o666 & ~_umask()
            self._temporary.chmod(mode)
            self._swap_file()
        self._temporary = None
        _sync(self._path.parent)

    def _swap_file(self) -> None:
        assert self._temporary is not None
        if self._force:
            self._temporary.replace(self._path)
            return
        try:
            # A link fails where a rename would overwrite what another process put there meanwhile.
            self._path.hardlink_to(self._temporary)
        except FileExistsError as error:
            raise SinkError(f"'{self.name}' appeared while it was being written; give --force to replace it") from error
        except OSError:
            self._refuse_existing()  # a file system without links
            self._temporary.replace(self._path)
            return
        self._temporary.unlink()

    def _swap_folder(self) -> None:
        assert self._temporary is not None
        self._refuse_existing()
        if not self._path.exists():
            self._temporary.rename(self._path)
            return
        old = Path(tempfile.mkdtemp(prefix=f".{self._path.name}.", suffix=".old", dir=self._path.parent))
        self._path.rename(old / self._path.name)
        try:
            self._temporary.rename(self._path)
        except OSError:
            (old / self._path.name).rename(self._path)
            raise
        finally:
            shutil.rmtree(old, ignore_errors=True)

    def _discard(self) -> None:
        if self._held is not None:
            self._held.close()
        if self._file is not None and not self._standard:
            try:
                self._file.close()
            except OSError:
                self._file = None  # its last bytes did not fit; the file goes away all the same
        if self._temporary is not None:
            if self._folder:
                shutil.rmtree(self._temporary, ignore_errors=True)
            else:
                self._temporary.unlink(missing_ok=True)
            self._temporary = None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Flush a file or, where the system can, a folder to disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(handle)
