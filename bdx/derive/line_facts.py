"""What is told of a production line: its steps, quantities, scrap, and how complete its genealogy is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bdx.derive.line_rows import Array

MOST = 1.02
"""The largest good share that is taken for a yield."""


@dataclass(slots=True)
class Traced:
    """Items by kind, and what is known of where they come from."""

    items: dict[str, int] = field(default_factory=dict)
    edges: int = 0
    estimated: int = 0
    without_input: int = 0
    """Edges that name no predecessor."""
    produced: int = 0
    produced_from_something: int = 0
    finished_kind: str = ""
    finished: int = 0
    finished_from_raw: int = 0
    finished_surely_from_raw: int = 0
    """Those that reach a raw material without an estimated edge."""
    raw_known: bool = False
    left_out: int = 0
    lots: Array = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(slots=True)
class Amount:
    """Quantities of a step that were stated in one unit, None where none was; `unit` is empty where none was written."""

    unit: str
    qty_in: float | None
    qty_good: float | None
    qty_scrap: float | None
    qty_rework: float | None
    yielded: float | None = None
    """Good share of what went in, over the runs that state both in this unit."""
    runs: int = 0
    """Runs that state both."""


@dataclass(slots=True)
class Scrap:
    """Why material was scrapped: the reason in the words of the source, the quantity and its unit, and in how many runs."""

    reason: str
    quantity: float | None
    unit: str
    runs: int


@dataclass(slots=True)
class LineStep:
    """One step of the line on one electrode side."""

    code: str
    name: str
    electrode: str
    runs: int = 0
    amounts: list[Amount] = field(default_factory=list)
    pieces: int = 0
    judged: int = 0
    failed: int = 0
    """Pieces that are not good: a failure never made good, or a last run that ended in nok, rework or hold."""
    reworked: int = 0
    """Pieces that passed the step more than once."""
    first_pass: float | None = None
    scrap: list[Scrap] = field(default_factory=list)
    began: int | None = None
    ended: int | None = None
    median_second: float | None = None
    equipment: dict[str, int] = field(default_factory=dict)

    @property
    def basis(self) -> str:
        """What the yield rests on: quantities in one unit, pieces with a verdict, or nothing."""
        if len(self.amounts) == 1 and self.amounts[0].yielded is not None:
            return "quantities"
        return "pieces" if self.judged else ""

    @property
    def share(self) -> float | None:
        """The good share of what went in; None where it is not stated."""
        if self.basis == "quantities":
            return self.amounts[0].yielded
        return 1 - self.failed / self.pieces if self.basis == "pieces" and self.pieces else None

    @property
    def more_out_than_in(self) -> bool:
        """Whether more came out than went in, past what rounding explains: the share is then no yield, inputs are missing."""
        return self.share is not None and self.share > MOST


@dataclass(slots=True)
class LineFacts:
    """The steps of a line in the order they were met, what was made, and how complete the genealogy is."""

    steps: list[LineStep]
    traced: Traced
    left_out: int = 0
    """Rows that were deleted, and those they or later rows replaced."""
