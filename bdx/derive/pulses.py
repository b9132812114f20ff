"""Internal resistance of a test by all three methods, and the passport attributes that follow from it."""

from __future__ import annotations

import pyarrow as pa

from bdx.derive.impedance import Spectra
from bdx.derive.pulses_fold import Pulses
from bdx.derive.pulses_passport import METHODS
from bdx.derive.pulses_reported import Reported
from bdx.derive.tested import Refused

__all__ = ["METHODS", "Pulses", "Resistances"]


class Resistances:
    """A fold over `timeseries`: `watch` every batch of a test in file order, then `finish` once.

    `refused` then holds one remark per code.
    """

    def __init__(self, *, first_row: int = 1) -> None:
        self._pulses = Pulses(first_row=first_row)
        self._spectra = Spectra(first_row=first_row)
        self._reported = Reported(first_row=first_row)
        self.refused: list[Refused] = []

    def watch(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of `timeseries`."""
        self._pulses.watch(batch)
        self._spectra.watch(batch)
        self._reported.watch(batch)

    def finish(self, test_id: str) -> pa.RecordBatch | None:
        """Return the rows of `resistance`: of pulses, of spectra, then those the instrument states; None where there are none.

        A test of spectra alone, or one whose instrument states a value, has no need of pulses: that it has none is no remark then.
        """
        pulses = self._pulses.finish(test_id)
        others = [rows for rows in (self._spectra.finish(test_id), self._reported.finish(test_id, pulses)) if rows is not None]
        missed = [item for item in self._pulses.refused if item.code != "M160" or not others]
        whys: dict[str, list[str]] = {}
        for item in (*missed, *self._spectra.refused, *self._reported.refused):
            whys.setdefault(item.code, []).append(item.why)
        self.refused = [Refused(code, "; ".join(why)) for code, why in whys.items()]
        found = ([pulses] if pulses is not None else []) + others
        return pa.Table.from_batches(found).combine_chunks().to_batches()[0] if found else None
