"""HDF5 files of other programs, opened with care: hard links only, known filters, sizes that the file can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from bdx.errors import CorruptSource, TruncatedSource, UnsafeSource, UnsupportedVersion
from bdx.formats.canonical import FAULTS, guard
from bdx.formats.hdf import SEAL
from bdx.formats.source import Source

MAGIC = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512
"""MATLAB puts a text of this many bytes before the HDF5 data."""

EXPANSION = 2_000
"""More bytes than this for each byte of the file cannot come from compression, only from a forged header."""
_MAX_CHUNK = 1 << 28
_MAX_TEXT = 16 << 20
_MAX_NAMES = 4096
_MEMO = "hdf5_members"

_PLUGINS = {305: "lzo", 307: "bzip2", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2"}
_PLUGIN_PACKAGE = "hdf5plugin"


def members(source: Source) -> frozenset[str]:
    """Return what an HDF5 file holds two levels down ("raw_data", "cell_1/raw_data"), and the names of its attributes ("@metadata").

    None where it is no HDF5 file or bdx wrote it; what MATLAB keeps for itself ("#refs#") is not looked into.
    Raises: TruncatedSource, CorruptSource where the file cannot be opened.
    """
    if not any(source.head.startswith(MAGIC, at) for at in (0, USER_BLOCK)):
        return frozenset()
    known = getattr(source, _MEMO, None)
    if known is None:
        known = _members(source)
        setattr(source, _MEMO, known)
    return known  # type: ignore[no-any-return]


def _members(source: Source) -> frozenset[str]:
    import h5py

    if is_own(source):
        return frozenset()
    found: set[str] = set()
    with opened(source) as file, suppress(*FAULTS):
        found.update(f"@{name}" for name in file.attrs)
        for name in islice(file, _MAX_NAMES):
            found.add(str(name))
            link = file.get(name, getlink=True)
            below = file[name] if isinstance(link, h5py.HardLink) and not str(name).startswith("#") else None
            if isinstance(below, h5py.Group):
                found.update(f"{name}/{inner}" for inner in islice(below, _MAX_NAMES))
    return frozenset(found)


def is_own(source: Source) -> bool:
    """Say whether a file ends in bdx's own seal: its reader looks for damage before the HDF5 library does."""
    length = len(SEAL) + 65
    with source.seekable() as stream:
        if stream.seek(0, 2) <= length:
            return False
        stream.seek(-length, 2)
        return stream.read(len(SEAL)) == SEAL


@contextmanager
def opened(source: Source) -> Iterator[Any]:
    """Yield the open h5py file of a source.

    Raises: TruncatedSource where the file is shorter than it says, CorruptSource where it is no HDF5 file.
    """
    import h5py

    with source.seekable() as stream:
        try:
            with guard(source.uri, "HDF5"):
                file = h5py.File(stream if source.path is None else source.path, "r", locking=False)
        except CorruptSource as error:
            if "truncated file" in str(error):
                raise TruncatedSource("is shorter than its HDF5 header says", path=source.uri) from error
            raise
        try:
            yield file
        finally:
            with suppress(*FAULTS):
                file.close()


def get(parent: Any, name: str, source: Source) -> Any:
    """Return the group or dataset `name` (a path of hard links) below an open group; None where there is none.

    Raises: UnsafeSource for links out of the group, CorruptSource where the place cannot be read.
    """
    import h5py

    found = parent
    for step in name.split("/"):
        with guard(source.uri, "HDF5"):
            if not isinstance(found, h5py.Group):
                return None
            link = found.get(step, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise UnsafeSource(f"/{name} is a link to somewhere else; bdx does not follow links", path=source.uri)
            found = found[step]
    return found


def dataset(found: Any, name: str, source: Source) -> Any:
    """Return `found` where it is a dataset whose bytes this file can hold and this machine can decode.

    Raises: CorruptSource, UnsafeSource, UnsupportedVersion naming the place and what would help.
    """
    import h5py

    if not isinstance(found, h5py.Dataset):
        raise CorruptSource(f"{name} is not a dataset", path=source.uri)
    with guard(source.uri, "HDF5"):
        plist = found.id.get_create_plist()
        filters = [plist.get_filter(place) for place in range(plist.get_nfilters())]
        if found.is_virtual or found.external:
            raise UnsafeSource(f"{name} keeps its data in another file", path=source.uri)
        check_filters(filters, name, source)
        _check_size(found, name, source)
    return found


def check_filters(filters: list[Any], name: str, source: Source) -> None:
    """Refuse data packed by a filter that is not installed, naming what would help."""
    import h5py

    for code, *_ in filters:
        if not h5py.h5z.filter_avail(code):
            with suppress(ImportError):
                __import__(_PLUGIN_PACKAGE)  # registers its filters with the HDF5 library
        if not h5py.h5z.filter_avail(code):
            word = _PLUGINS.get(code, f"number {code}")
            help_ = "rewrite the file with ptrepack --complib=zlib" if code == 305 else f"pip install {_PLUGIN_PACKAGE}"
            raise UnsupportedVersion(f"{name} is packed by HDF5 filter {word}, which is not installed; {help_}", path=source.uri)


def _check_size(found: Any, name: str, source: Source) -> None:
    if found.shape is None:
        return
    length = source.size or found.file.id.get_filesize()
    width = max(1, found.dtype.itemsize)
    total = math.prod(found.shape) * width
    allowed = length * (EXPANSION if found.chunks else 1)
    if total > allowed:
        raise UnsafeSource(f"{name} claims {total} bytes in a file of {length}", path=source.uri)
    chunk = math.prod(found.chunks) * width if found.chunks else 0
    if chunk > _MAX_CHUNK:
        raise UnsafeSource(f"{name} is cut into chunks of {chunk} bytes; expected at most {_MAX_CHUNK}", path=source.uri)


def text(holder: Any, name: str, source: Source) -> str:
    """Return an attribute of a group or dataset as text; empty where there is none or it is no text."""
    data = raw(holder, name, source)
    return data.decode("utf-8", "replace")


def raw(holder: Any, name: str, source: Source) -> bytes:
    """Return an attribute as its bytes; empty where there is none or it is no text."""
    with guard(source.uri, "HDF5"):
        if name not in holder.attrs:
            return b""
        space = holder.attrs.get_id(name)
        if space.get_storage_size() > _MAX_TEXT:
            raise UnsafeSource(f"attribute {name} of {holder.name} holds {space.get_storage_size()} bytes", path=source.uri)
        value = holder.attrs[name]
    if hasattr(value, "dtype") and value.dtype.kind == "V" and value.shape == ():
        return bytes(value.tobytes())
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, bytes) else b""


def number(holder: Any, name: str, source: Source) -> int | None:
    """Return an attribute as an integer; None where there is none or it is no number."""
    with guard(source.uri, "HDF5"):
        value = holder.attrs.get(name)
    try:
        return None if value is None or getattr(value, "size", 1) != 1 else int(value)
    except (TypeError, ValueError):
        return None
