"""Which single records of a chunk have gaps: the same judgement as an analysis makes of all, kept apart by record."""

from __future__ import annotations

import numpy as np

from bdx.canon import Chunk
from bdx.gaps.analysis import Analysis
from bdx.gaps.presence import Mask, Presence
from bdx.gaps.tally import closure


class ByRecord(Analysis):
    """Says of each record whether it misses something mandatory, and what; records of earlier chunks do not matter."""

    def lacking(self, chunk: Chunk) -> dict[str, Mask]:
        """Return for each requirement that some record does not meet which records these are, by the column it asks for.

        The chunk holds records of the profile's table with all their children.
        """
        rows = Presence(chunk, self.profile)
        codes = self._groups.of(rows)
        seen = closure(self._seen)
        binding: dict[int, tuple[str, str]] = {group: self._groups.name(group) for group in np.unique(codes).tolist()}
        found: dict[str, Mask] = {}
        for tally in self._tallies:
            requirement = tally.requirement
            bound = [
                group
                for group, (category, level) in binding.items()
                if self._binding(requirement, category, level) == ("mandatory", "") and not self._withheld(requirement)
            ]
            if not bound:
                continue
            pattern = tally.pattern(rows)
            mask = np.isin(self._bound(requirement, rows, codes), bound) & np.isin(pattern, tally.missing(np.unique(pattern), seen))
            if mask.any():
                found[str(requirement.paths[0])] = mask
        return found
