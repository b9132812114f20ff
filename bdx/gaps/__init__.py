"""Requirement profiles minus supply: what the receiver will miss."""

from __future__ import annotations

from bdx.gaps.analysis import Analysis
from bdx.gaps.loading import load
from bdx.gaps.profile import Profile, Requirement
from bdx.gaps.result import GapResult, Outcome

__all__ = ["Analysis", "GapResult", "Outcome", "Profile", "Requirement", "load"]
