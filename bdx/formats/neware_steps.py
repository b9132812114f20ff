"""Which step execution a record belongs to and how long the ones before it took, carried from batch to batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Times = npt.NDArray[Any]


@dataclass(slots=True)
class Steps:
    """Counts step executions over the batches of a file; time within a step is added to the ends of the steps before it.

    Where time is `running` on through all steps, a step begins where the one before it ended.
    """

    running: bool = False
    count: int = 0
    base: Any = 0
    longest: Any = 0
    last: list[Any] = field(default_factory=list)

    def lay(self, keys: Sequence[npt.NDArray[Any]], time: Times, index: npt.NDArray[Any]) -> tuple[Ints, Times, npt.NDArray[np.intp]]:
        """Return of each record the number of its step execution, the length of all before it, and where executions begin.

        A new one begins where a key changes (program step, counter of step changes) or time starts again; a record that was
        written twice starts nothing.
        """
        rows = len(time)
        fresh = np.zeros(rows, np.bool_)
        for key in keys:
            fresh[1:] |= key[1:] != key[:-1]
        fresh[1:] |= (time[1:] < time[:-1]) & (index[1:] > index[:-1])
        now = [*(key[0] for key in keys), time[0], index[0]]
        if not self.last:
            fresh[0] = True
        else:
            changed = any(a != b for a, b in zip(now[:-2], self.last[:-2], strict=True))
            fresh[0] = changed or bool(now[-2] < self.last[-2] and now[-1] > self.last[-1])
        self.last = [*(key[-1] for key in keys), time[-1], index[-1]]
        begins = np.flatnonzero(fresh)
        pieces = begins if fresh[0] else np.append(0, begins)
        lengths = np.maximum.reduceat(time, pieces)
        if not fresh[0]:
            lengths[0] = max(lengths[0], self.longest)
            earlier = self.base
        else:
            earlier = self.longest if self.running else self.base + self.longest
        later = lengths[:-1] if self.running else earlier + np.cumsum(lengths[:-1])
        ends = np.concatenate([[earlier], later]).astype(time.dtype)
        sizes = np.diff(np.append(pieces, rows))
        counts = self.count + np.cumsum(fresh)
        self.count, self.base, self.longest = int(counts[-1]), ends[-1], lengths[-1]
        return counts, np.repeat(ends, sizes), pieces
