"""What a report is told beside the result: how severe fails, what the command returns, and the curves to plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bdx.canon import SEVERITIES, Finding
from bdx.pipeline.stretches import Stretch


@dataclass(frozen=True, slots=True)
class Run:
    """How a validation was asked for; every report reads what concerns it.

    `color` is for text on a terminal; `full` says that hits were not grouped, so that nothing is folded away;
    `fail_on` is the least severity that fails, empty where nothing does; `exit_code` is what the command returns.
    """

    color: bool = False
    full: bool = False
    fail_on: str = "error"
    exit_code: int | None = None
    stretches: Sequence[Stretch] = ()

    def fails(self, finding: Finding) -> bool:
        """Say whether a finding is severe enough to fail the run."""
        return bool(self.fail_on) and SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)
