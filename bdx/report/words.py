"""Words that several reports share: names of rules, counts with their nouns, and text that cannot do harm where it is shown."""

from __future__ import annotations

import re

from bdx import spec
from bdx.canon import Finding

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
"""What no report shows as it is: controls, line ends of Unicode, marks that turn the direction of text, what XML forbids."""


def name_of(code: str) -> str:
    """Return the name of a rule's fault; empty for a code that is no rule."""
    rule = spec.rules().get(code)
    return rule.name if rule else ""


def plural(count: int, word: str) -> str:
    """Return a count with its word, as in "1 row", "12,000 rows"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def times(count: int) -> str:
    """Return " (3x)" for what was met more than once, else nothing."""
    return f" ({count:,}x)" if count > 1 else ""


def tally(counts: dict[str, int]) -> str:
    """Return counts of severities in words, as in "1 error, 3 warnings, 0 info"."""
    return ", ".join(plural(count, severity) if severity != "info" else f"{count:,} info" for severity, count in counts.items())


def plain(text: str) -> str:
    """Return text on one line whose hidden characters are visible, so that data cannot steer a terminal or a reader's eye."""
    flat = text.replace("\n", "\\n").replace("\t", "\\t")
    return _HIDDEN.sub(_shown, flat)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def said(finding: Finding) -> str:
    """Return the message of a finding on one line, without the name of its source."""
    return plain(finding.message.removeprefix(f"{finding.source}: "))


def where(finding: Finding) -> str:
    """Return how often and where in words, as in "line 7; 12 times, rows 3, 4, 5, 6, 7 ..."; empty where the message says all."""
    parts = [plain(finding.locator)] if finding.locator and finding.locator not in finding.message else []
    if finding.count > 1:
        rows = ", ".join(str(row) for row in finding.examples)
        more = " ..." if finding.count > len(finding.examples) else ""
        parts.append(f"{finding.count:,} times" + (f", rows {rows}{more}" if rows else ""))
    return "; ".join(parts)
