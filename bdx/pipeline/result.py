"""What a validation came to: the one thing every report on findings is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bdx.canon import SEVERITIES, Finding, Loss
from bdx.errors import BdxError

WORST_FIRST = tuple(reversed(SEVERITIES))


@dataclass(slots=True)
class SourceSummary:
    """One source that was read: its format and the rows of each canonical table.

    `rules` are the codes of the rules that had something to look at; `sha256` and `bytes` are those of its file.
    """

    uri: str
    format: str
    rows: Mapping[str, int]
    rules: tuple[str, ...] = ()
    sha256: str = ""
    bytes: int | None = None


@dataclass(slots=True)
class ValidationResult:
    """Findings and losses of all sources, what was read, and how many values were looked at.

    `failures` keeps the errors of sources that could not be read; each also stands among the findings. `known` counts the
    findings that a baseline holds and that are left out.
    """

    findings: list[Finding]
    losses: list[Loss]
    sources: list[SourceSummary]
    checked: int
    seconds: float
    failures: list[BdxError] = field(default_factory=list)
    known: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity, worst first."""
        return {severity: sum(finding.severity == severity for finding in self.findings) for severity in WORST_FIRST}

    def of(self, uri: str) -> list[Finding]:
        """Return the findings of one source, worst first, then by code, table and column."""
        return worst_first(finding for finding in self.findings if finding.source == uri)

    def uris(self) -> list[str]:
        """Return every source: those read, in their order, then those that only have findings."""
        return list(dict.fromkeys([*(source.uri for source in self.sources), *(finding.source for finding in self.findings)]))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings sorted by severity, source, code, table and column."""
    return sorted(findings, key=lambda f: (-SEVERITIES.index(f.severity), f.source, f.code, f.table, f.column))
