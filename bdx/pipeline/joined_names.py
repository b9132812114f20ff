"""Which claims name the same battery, directly or through one another: a union of names held as plain arrays of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdx.pipeline.name_hashes import Hashes


class Names:
    """Names of numbered claims. After `settle`, `labels` has for each claim the first one it is joined to (itself where it is that),
    `shared` whether it is joined to any, `named` whether it has a name at all.
    """

    def __init__(self) -> None:
        self._columns: list[tuple[int, Hashes]] = []
        self._single: list[Hashes] = []
        self._owners: list[int] = []
        self._count = 0
        self.labels: Any = np.zeros(0, np.int64)
        self.shared: Any = np.zeros(0, np.bool_)
        self.named: Any = np.zeros(0, np.bool_)
        self._order: Any = np.zeros(0, np.int64)

    def add(self, first: int, column: Hashes) -> None:
        """Take a name of each of the claims from `first` on, 0 for none."""
        self._columns.append((first, column))
        self._count = max(self._count, first + len(column))

    def add_one(self, number: int, names: Hashes) -> None:
        """Take the names of one claim."""
        self._single.append(names)
        self._owners += [number] * len(names)
        self._count = max(self._count, number + 1)

    def known(self) -> Hashes:
        """Return all names, each once."""
        return np.unique(np.concatenate([column for _, column in self._columns] or [np.zeros(0, np.uint64)]))

    def settle(self) -> None:
        """Join the claims that share names."""
        self.named = np.zeros(self._count, np.bool_)
        names, owners = self._several()
        order = np.lexsort((owners, names))
        names, owners = names[order], owners[order]
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if len(names) else np.zeros(0, np.int64)
        sizes = np.diff(np.r_[starts, len(names)])
        labels = np.arange(self._count)
        while len(names):
            least = np.repeat(np.minimum.reduceat(labels[owners], starts), sizes)
            after = labels.copy()
            np.minimum.at(after, owners, least)
            np.minimum.at(after, labels[owners], least)
            after = after[after]
            if np.array_equal(after, labels):
                break
            labels = after
        self.labels = labels
        self.shared = labels != np.arange(self._count)
        self.shared[labels[self.shared]] = True
        self._columns, self._single, self._owners = [], [], []

    def joining(self, first: int, end: int, late: int) -> list[int]:
        """Return the claims from number `late` on that are joined to one of a stretch of claims, in their order."""
        if len(self._order) != max(self._count - late, 0):
            self._order = np.argsort(self.labels[late:], kind="stable")
        labels = self.labels[late:][self._order]
        low, high = np.searchsorted(labels, [first, end])
        return sorted((self._order[low:high] + late).tolist())

    def _several(self) -> tuple[Any, Any]:
        """Return the names that several claims bear, and by each the claims that do."""
        every = [column for _, column in self._columns] + self._single
        numbers = np.concatenate(every) if every else np.zeros(0, np.uint64)
        numbers.sort()
        several = np.unique(numbers[1:][(numbers[1:] == numbers[:-1]) & (numbers[1:] != 0)]) if len(numbers) else numbers
        found, owners = [], []
        single = np.concatenate(self._single) if self._single else np.zeros(0, np.uint64)
        for first, column in self._columns:
            self.named[first : first + len(column)] |= column != 0
            at = np.flatnonzero(_among(column, several))
            found.append(column[at])
            owners.append(at + first)
        at = np.flatnonzero(_among(single, several))
        found.append(single[at])
        owners.append(np.array(self._owners, np.int64)[at])
        self.named[np.array(self._owners, np.int64)] = True
        return np.concatenate(found), np.concatenate(owners)


def _among(column: Hashes, known: Hashes) -> Any:
    if not len(known) or not len(column):
        return np.zeros(len(column), np.bool_)
    return known[np.minimum(np.searchsorted(known, column), len(known) - 1)] == column
