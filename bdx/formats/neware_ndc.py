"""Blocks of a Neware .ndc member -> rows, and sparse stamps -> time, step and counters of every record."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bdx.errors import CorruptSource, TruncatedSource, UnsupportedVersion
from bdx.spec import Facts, FormatSpec

BLOCK = 4096
ROWS_AT = 132
CHECK_AT = BLOCK - 4

Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Member:
    """One .ndc member: its bytes, the facts of its version and, once its blocks are checked, the offsets of the bad ones."""

    name: str
    data: bytes
    path: str
    spec: FormatSpec
    damaged: list[int] = field(default_factory=list)

    def facts(self, kind: str) -> Facts:
        """Return the facts of the member's version, after checking that it is of that kind.

        Raises: TruncatedSource, CorruptSource, UnsupportedVersion, each naming the member.
        """
        whole = len(self.data) // BLOCK * BLOCK
        if not whole or whole != len(self.data):
            raise TruncatedSource(
                f"ends inside a block; expected whole blocks of {BLOCK} bytes", path=self.path, offset=f"{self.name} byte {whole}"
            )
        if self.data[0] not in self.spec.raw["kinds"][kind]:
            raise CorruptSource(f"is a member of kind {self.data[0]}; expected {kind} rows", path=self.path, offset=f"{self.name} byte 0")
        version = self.data[2]
        for facts in self.spec.raw["ndc"]:
            if facts["version"] == version:
                return facts  # type: ignore[no-any-return]
        known = ", ".join(str(facts["version"]) for facts in self.spec.raw["ndc"])
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
        """Return the valid rows of all blocks as one structured array, in file order.

        Raises: CorruptSource where a block announces more rows than it can hold.
        """
        blocks = len(self.data) // BLOCK - 1
        if blocks <= 0:
            return np.empty(0, row)
        room = (CHECK_AT - ROWS_AT) // row.itemsize
        raw = np.frombuffer(self.data, np.uint8).reshape(-1, BLOCK)[1:]
        counts = np.ascontiguousarray(raw[:, 2:4]).view("<u2")[:, 0]
        over = np.flatnonzero(counts > room)
        if len(over):
            place = int(over[0] + 1) * BLOCK + 2
            raise CorruptSource(
                f"announces {int(counts[over[0]])} rows in a block that holds {room}", path=self.path, offset=f"{self.name} byte {place}"
            )
        self._check(blocks)
        grid = np.ndarray((blocks, room), row, self.data, BLOCK + ROWS_AT, (BLOCK, row.itemsize))
        valid = np.unpackbits(raw[:, 4 : 4 + (room + 7) // 8], axis=1, count=room, bitorder="little").view(np.bool_)
        return grid[valid]

    def _check(self, blocks: int) -> None:
        view = memoryview(self.data)
        for start in range(BLOCK, (blocks + 1) * BLOCK, BLOCK):
            if zlib.crc32(view[start : start + CHECK_AT]) != int.from_bytes(view[start + CHECK_AT : start + BLOCK], "little"):
                self.damaged.append(start)


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


COUNTERS = ("charge", "discharge", "charge_energy", "discharge_energy")


@dataclass(slots=True)
class Stamps:
    """Where the instrument wrote time, step and counters: one entry per stamped record, the rest follows from them.

    Between two stamps the recording interval is constant, so time there is exact; it is checked against the next stamp.
    Counters between stamps lie on a straight line over time; after the last stamp of a step they grow with the mean current.
    Units: milliseconds; counters in the unit of the file.
    """

    at: Ints
    counts: Ints
    step: Ints
    time: Floats
    rate: Floats
    base: Floats
    unix: Floats
    counters: Mapping[str, tuple[Floats, Floats]]
    total: int
    strangers: list[int]
    reckoned: int
    unjoined: int
    unjoined_at: int
    tail: int

    @property
    def unstamped_head(self) -> int:
        """How many records come before the first stamp."""
        return int(self.at[0]) if len(self.at) else self.total

    def spread(self, start: int, stop: int) -> dict[str, Any]:
        """Return the columns of records [start, stop): step, total_time, step_time, unix (s) and the counters.

        Records before the first stamp get NaN and step -1.
        """
        first = max(int(np.searchsorted(self.at, start, "right")) - 1, 0)
        last = int(np.searchsorted(self.at, stop, "left"))
        at, rate = self.at[first:last], self.rate[first:last]
        begin = np.maximum(at, start)
        lengths = np.diff(np.append(begin, stop)) if len(at) else np.empty(0, np.int64)
        head = stop - start - int(lengths.sum())
        beyond = np.arange(start + head, stop) - np.repeat(at, lengths)

        def full(values: npt.NDArray[Any], slope: Floats | None = None) -> npt.NDArray[Any]:
            line = np.repeat(values[first:last], lengths)
            if slope is not None:
                with np.errstate(invalid="ignore", over="ignore"):
                    line = line + np.repeat(slope, lengths) * beyond
            return np.concatenate([np.full(head, np.nan if line.dtype.kind == "f" else -1, line.dtype), line]) if head else line

        step_time = full(self.time, rate)
        columns = {
            "step": full(self.step),
            "step_time": step_time / 1000.0,
            "total_time": (step_time + full(self.base)) / 1000.0,
            "unix": full(self.unix, rate) / 1000.0,
        }
        for name, (values, slope) in self.counters.items():
            columns[name] = full(values, slope[first:last])
        return columns


def stamps(run: Rows, voltage: npt.NDArray[np.float32], current: npt.NDArray[np.float32], units: Facts) -> Stamps:
    """Return the stamps of `run` (runInfo rows) laid over the records that have `voltage` and `current`.

    A record stamped twice keeps its first stamp; a stamp of a record that does not exist is kept as a stranger.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _stamps(run, voltage, current, units)


def _stamps(run: Rows, voltage: npt.NDArray[np.float32], current: npt.NDArray[np.float32], units: Facts) -> Stamps:
    total = len(voltage)
    index = run["index"].astype(np.int64)
    inside = (index >= 1) & (index <= total)
    strangers = index[~inside].tolist()
    at, chosen = np.unique(index[inside] - 1, return_index=True)
    run = run[inside][chosen]
    counts = np.diff(np.append(at, total))
    step = run["step"].astype(np.int64)
    time, interval = run["step_time"].astype(np.float64), np.maximum(run["interval"], 0).astype(np.float64)
    new_run = np.ones(len(at), np.bool_)
    new_run[1:] = (step[1:] != step[:-1]) | (time[1:] < time[:-1])
    joined = ~np.append(new_run[1:], True)
    rate, unjoined = _rates(time, interval, counts, joined)
    ends = time + rate * (counts - 1)
    base = np.cumsum(np.where(new_run, np.append(0.0, ends[:-1]), 0.0)) if len(at) else np.empty(0)
    gaps = np.flatnonzero(unjoined)
    tail = int(counts[-1]) - 1 if len(at) else 0
    return Stamps(
        at=at,
        counts=counts,
        step=step,
        time=time,
        rate=rate,
        base=base,
        unix=run["unix"].astype(np.float64) * 1000.0 + run["millis"],
        counters=_counters(run, (at, counts, joined, rate), voltage, current, units),
        total=total,
        strangers=strangers,
        reckoned=int((counts[:-1] - 1)[~unjoined[:-1]].sum()) if len(at) else 0,
        unjoined=int((counts - 1)[gaps].sum()),
        unjoined_at=int(at[gaps[0]]) + 2 if len(gaps) else 0,
        tail=tail,
    )


def _rates(time: Floats, interval: Floats, counts: Ints, joined: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return milliseconds per record after each stamp, and where the interval does not lead to the next stamp of the run."""
    rate = interval.copy()
    unjoined = np.zeros(len(time), np.bool_)
    if len(time) > 1:
        expected = time[:-1] + interval[:-1] * (counts[:-1] - 1)
        unjoined[:-1] = joined[:-1] & (counts[:-1] > 1) & (expected + interval[1:] != time[1:])
        line = (time[1:] - time[:-1]) / counts[:-1]
        rate[:-1] = np.where(unjoined[:-1], line, rate[:-1])
    return rate, unjoined


def _counters(
    run: Rows,
    shape: tuple[Ints, Ints, npt.NDArray[np.bool_], Floats],
    voltage: npt.NDArray[np.float32],
    current: npt.NDArray[np.float32],
    units: Facts,
) -> dict[str, tuple[Floats, Floats]]:
    """Return value and growth per record of each counter at each stamp; discharge counts up, as charge does."""
    at, counts, joined, rate = shape
    found: dict[str, tuple[Floats, Floats]] = {}
    span = np.diff(run["step_time"].astype(np.float64))
    share = np.divide(rate[:-1], span, out=np.zeros(len(span)), where=joined[:-1] & (span > 0)) if len(at) else np.empty(0)
    last = np.flatnonzero(~joined & (counts > 1))
    pieces = [slice(int(at[k]) + 1, int(at[k]) + int(counts[k])) for k in last]
    for name in COUNTERS:
        values = np.abs(run[name].astype(np.float64))
        slope = np.zeros(len(at))
        slope[:-1] = np.diff(values) * share
        sign = -1.0 if name.startswith("discharge") else 1.0
        for k, piece in zip(last, pieces, strict=True):
            flow = current[piece].astype(np.float64) * sign
            if name.endswith("energy"):
                flow = flow * voltage[piece]
            divisor = units["energy_divisor"] if name.endswith("energy") else units["charge_divisor"]
            slope[k] = np.maximum(flow, 0.0).mean() * rate[k] / 1000.0 / divisor
        found[name] = (values, slope)
    return found
