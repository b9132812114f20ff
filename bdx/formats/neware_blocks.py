"""Blocks of a Neware .ndc member -> the rows in them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bdx.errors import CorruptSource, TruncatedSource, UnsupportedVersion
from bdx.spec import Facts

BLOCK = 4096
ROWS_AT = 132
CHECK_AT = BLOCK - 4

Rows = npt.NDArray[np.void]


@dataclass(slots=True)
class Member:
    """One .ndc member: its bytes, the tables of facts and, once its rows are read, the offsets of bad blocks and whether it was cut."""

    name: str
    data: bytes
    path: str
    tables: Facts
    damaged: list[int] = field(default_factory=list)
    cut: bool = False

    def facts(self, kind: str) -> Facts:
        """Return the facts of the member's version, after checking that it is of that kind.

        Raises: TruncatedSource, CorruptSource, UnsupportedVersion, each naming the member.
        """
        if len(self.data) < 16:
            raise TruncatedSource("ends inside its header", path=self.path, offset=f"{self.name} byte {len(self.data)}")
        if self.data[0] not in self.tables["kinds"][kind]:
            raise CorruptSource(f"is a member of kind {self.data[0]}; expected {kind} rows", path=self.path, offset=f"{self.name} byte 0")
        version = self.data[2]
        for facts in self.tables["ndc"]:
            if facts["version"] == version:
                return facts  # type: ignore[no-any-return]
        known = ", ".join(str(facts["version"]) for facts in self.tables["ndc"])
        raise UnsupportedVersion(f"has ndc version {version}; bdx reads versions {known}", path=self.path, offset=f"{self.name} byte 2")

    def row_bytes(self, kind: str) -> int:
        """Return the length of a row of that kind in the member's version.

        Raises: CorruptSource where that version has no such rows.
        """
        facts = self.facts(kind)
        if kind not in facts["rows"]:
            raise CorruptSource(
                f"has ndc version {facts['version']}, which has no {kind} rows", path=self.path, offset=f"{self.name} byte 2"
            )
        return int(facts["rows"][kind])

    def rows(self, row: np.dtype[np.void]) -> Rows:
        """Return the valid rows of all blocks as one structured array, in file order; of a block that was cut, its whole rows.

        Raises: CorruptSource where a block announces more rows than it can hold.
        """
        facts = next(facts for facts in self.tables["ndc"] if facts["version"] == self.data[2])
        block, rows_at = facts.get("block", BLOCK), facts.get("rows_at", ROWS_AT)
        odd = len(self.data) % block
        self.cut = bool(odd) or len(self.data) < block
        data = self.data.ljust(len(self.data) + block - odd, b"\0") if odd else self.data
        blocks = len(data) // block - 1
        if blocks <= 0:
            return np.empty(0, row)
        room = ((CHECK_AT if block == BLOCK else block) - rows_at) // row.itemsize
        grid = np.ndarray((blocks, room), row, data, block + rows_at, (block, row.itemsize))
        if block != BLOCK:
            valid = np.ones((blocks, room), np.bool_)
        else:
            valid = self._valid(np.frombuffer(data, np.uint8).reshape(-1, BLOCK)[1:], room)
        if odd:
            valid[-1, max(odd - rows_at, 0) // row.itemsize :] = False
        return grid[valid]

    def _valid(self, raw: npt.NDArray[np.uint8], room: int) -> npt.NDArray[np.bool_]:
        """Return which places of all blocks hold a row, after comparing blocks with their checksum."""
        counts = np.ascontiguousarray(raw[:, 2:4]).view("<u2")[:, 0]
        over = np.flatnonzero(counts > room)
        if len(over):
            place = int(over[0] + 1) * BLOCK + 2
            raise CorruptSource(
                f"announces {int(counts[over[0]])} rows in a block that holds {room}", path=self.path, offset=f"{self.name} byte {place}"
            )
        view = memoryview(self.data)
        for start in range(BLOCK, len(self.data) // BLOCK * BLOCK, BLOCK):
            if zlib.crc32(view[start : start + CHECK_AT]) != int.from_bytes(view[start + CHECK_AT : start + BLOCK], "little"):
                self.damaged.append(start)
        return np.unpackbits(raw[:, 4 : 4 + (room + 7) // 8], axis=1, count=room, bitorder="little").view(np.bool_)


def row_type(layout: Facts, size: int) -> np.dtype[np.void]:
    """Return the numpy type of a row of `size` bytes from `field = [offset, type]` facts."""
    return np.dtype(
        {
            "names": list(layout),
            "formats": [kind for _, kind in layout.values()],
            "offsets": [offset for offset, _ in layout.values()],
            "itemsize": size,
        }
    )
