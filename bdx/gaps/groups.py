"""Which category and level each record belongs to, and how many of each went by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bdx.gaps.presence import Presence
from bdx.gaps.profile import ALL, Profile

Codes = npt.NDArray[np.int64]

LEVELS = ("item", "batch", "model")
"""What a record describes. A record of a batch owes nothing that only an item has, one of a model nothing that only either has."""

UNKNOWN = "unknown"
OUTSIDE = "outside"


class Groups:
    """Numbers the pairs of category and level of a profile; `category`, if given, is taken for every record."""

    def __init__(self, profile: Profile, category: str | None) -> None:
        self._profile = profile
        self._fixed = category or ("" if profile.categories else ALL)
        self.categories = (*(profile.categories or (ALL,)), UNKNOWN, OUTSIDE)
        self.counts = np.zeros(len(self.categories) * len(LEVELS), dtype=np.int64)
        self.outside: dict[str, int] = {}
        place = {name: number for number, name in enumerate(self.categories)}
        self._words = {name: place[name] for name in profile.categories}
        self._words |= {name: place[target] for name, target in profile.same_as.items()}
        self._words |= dict.fromkeys(profile.outside, place[OUTSIDE])

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def default(self) -> int:
        """The group of an item of which nothing is known but what the caller fixed."""
        return self.categories.index(self._fixed or UNKNOWN) * len(LEVELS)

    def name(self, group: int) -> tuple[str, str]:
        """Return category and level of a group."""
        return self.categories[group // len(LEVELS)], LEVELS[group % len(LEVELS)]

    def by_category(self) -> dict[str, int]:
        """Return records per category met."""
        sums = self.counts.reshape(-1, len(LEVELS)).sum(axis=1)
        return {name: int(count) for name, count in zip(self.categories, sums, strict=True) if count}

    def coarse(self) -> int:
        """Return how many records describe a batch or model."""
        return int(self.counts.reshape(-1, len(LEVELS))[:-1, 1:].sum())

    def of(self, rows: Presence) -> Codes:
        """Return the group of every record, and count it."""
        fixed = self.categories.index(self._fixed) if self._fixed else None
        category = self._category_of(rows) if fixed is None else np.full(len(rows), fixed, dtype=np.int64)
        codes: Codes = category * len(LEVELS) + self._level_of(rows)
        self.counts += np.bincount(codes, minlength=len(self.counts))
        return codes

    def _category_of(self, rows: Presence) -> Codes:
        places = np.array([*self._words.values(), self.categories.index(UNKNOWN)], dtype=np.int64)
        index = _index(rows.column(self._profile.category_column), list(self._words), len(rows))
        category: Codes = places[index]  # -1, no known word, is the last place
        for place, word in enumerate(self._words):
            if word in self._profile.outside:
                self._leave(word, int((index == place).sum()))
        for limit in self._profile.limits:
            factors = [rows.column(name) for name in limit.product]
            if any(factor is None for factor in factors):
                continue
            product = np.multiply.reduce([factor.cast(pa.float64()).to_numpy(zero_copy_only=False) for factor in factors])
            small = (product <= limit.above) & (category == self.categories.index(limit.category))  # null is NaN, so not small
            self._leave(limit.label, int(small.sum()))
            category[small] = self.categories.index(OUTSIDE)
        return category

    def _leave(self, label: str, count: int) -> None:
        if count:
            self.outside[label] = self.outside.get(label, 0) + count

    def _level_of(self, rows: Presence) -> Codes:
        column = rows.column(self._profile.granularity_column) if self._profile.granularity_column else None
        index = _index(column, list(LEVELS), len(rows))
        index[index < 0] = 0  # a record that does not say is one battery: the law knows no other passport
        return index


def _index(column: Any, words: list[str], rows: int) -> Codes:
    """Return the position of every value in `words`, -1 for null and others."""
    if column is None:
        return np.full(rows, -1, dtype=np.int64)
    found = pc.fill_null(pc.index_in(column, value_set=pa.array(words)), -1)
    return found.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]
