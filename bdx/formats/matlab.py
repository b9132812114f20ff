"""What stands in a MATLAB 7.3 file, HDF5 by other conventions: references, texts, numbers and vectors, looked at before being read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.errors import CorruptSource, UnsafeSource
from bdx.formats.canonical import guard
from bdx.formats.hdf_foreign import EXPANSION, check_filters, dataset
from bdx.formats.source import Source

Floats = npt.NDArray[np.float64]

_MAX_VALUES = 1 << 26
_MAX_TEXT = 4096


class Matlab:
    """Reads one open file; every fault names where it was met."""

    def __init__(self, file: Any, source: Source) -> None:
        self._file = file
        self._source = source
        self._length = int(file.id.get_filesize())

    def follow(self, reference: Any, where: str) -> Any:
        """Return what a reference points to."""
        with guard(self._source.uri, "HDF5"):
            if not reference:
                raise CorruptSource(f"{where} points nowhere", path=self._source.uri)
            return self._file[reference]

    def plain(self, item: Any, where: str) -> Any:
        """Return a text or a number, None for a longer vector or a struct."""
        import h5py

        if not isinstance(item, h5py.Dataset):
            return None
        values = dataset(item, where, self._source)
        with guard(self._source.uri, "HDF5"):
            if values.dtype.kind not in "uif" or values.size is None or not 0 < values.size <= _MAX_TEXT or "MATLAB_empty" in values.attrs:
                return None
            if bytes(values.attrs.get("MATLAB_class", b"")) == b"char":
                return values[()].astype("<u2").ravel().tobytes().decode("utf-16-le", "replace").rstrip("\0").strip()
            number = float(values[()].ravel()[0]) if values.size == 1 else None
        return int(number) if number is not None and number.is_integer() else number

    def vector(self, reference: Any, where: str) -> Floats:
        """Return the numbers of the vector a reference points to; an empty one has none.

        A file holds some hundred thousand of them: this speaks to the HDF5 library without the layer above it.
        """
        import h5py

        with guard(self._source.uri, "HDF5"):
            if not reference:
                raise CorruptSource(f"{where} points nowhere", path=self._source.uri)
            found = h5py.h5r.dereference(reference, self._file.id)
            if not isinstance(found, h5py.h5d.DatasetID) or found.dtype.kind not in "uif":
                raise CorruptSource(f"{where} does not hold numbers", path=self._source.uri)
            if found.dtype.kind == "u" and h5py.h5a.exists(found, b"MATLAB_empty"):
                return np.empty(0)
            self._bounded(found, where)
            values = np.empty(found.shape, np.float64)
            found.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
            return values.ravel()

    def _bounded(self, found: Any, where: str) -> None:
        """Refuse a vector that the file cannot hold, that lies in another file or is packed in a way that is not known."""
        import h5py

        size, plist = math.prod(found.shape), found.get_create_plist()
        if size > _MAX_VALUES or (plist.get_layout() == h5py.h5d.CHUNKED and math.prod(plist.get_chunk()) > _MAX_VALUES):
            raise UnsafeSource(f"{where} claims {size} values", path=self._source.uri)
        if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
            raise UnsafeSource(f"{where} keeps its data in another file", path=self._source.uri)
        check_filters([plist.get_filter(place) for place in range(plist.get_nfilters())], where, self._source)
        if size * 8 > self._length * (EXPANSION if plist.get_layout() == h5py.h5d.CHUNKED else 8):
            raise UnsafeSource(f"{where} claims {size} values in a file of {self._length} bytes", path=self._source.uri)
