"""Which rules run, and with which thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from bdx import spec
from bdx.errors import SpecError, UsageError, did_you_mean
from bdx.rules import (
    amounts,
    channels,
    checks,
    chunkwide,
    clocks,
    codes,
    composition,
    copies,
    counters,
    cycling,
    folds,
    footprints,
    keys,
    leaps,
    line_balance,
    line_folds,
    line_minimum,
    line_persons,
    line_rows,
    lineage,
    links,
    lives,
    magnitudes,
    metals,
    mixups,
    order,
    parts,
    places,
    presence,
    relations,
    sampling,
    sensors,
    series,
    spectra,
    workflow,
)
from bdx.rules.register import Bound, bind

_KINDS = (
    checks,
    order,
    folds,
    counters,
    parts,
    leaps,
    presence,
    chunkwide,
    codes,
    relations,
    sampling,
    composition,
    lineage,
    workflow,
    amounts,
    channels,
    clocks,
    cycling,
    spectra,
    sensors,
    mixups,
    series,
    keys,
    links,
    places,
    magnitudes,
    metals,
    footprints,
    lives,
    copies,
    line_persons,
    line_rows,
    line_folds,
    line_minimum,
    line_balance,
)
"""Importing them registers their checks."""


def chosen(select: Sequence[str] = (), ignore: Sequence[str] = (), enable: Sequence[str] = ()) -> frozenset[str]:
    """Return the codes of the rules that run: all active ones, or those selected, less those ignored.

    Each word is a code or the beginning of one ("T", "T0", "T001"). A preview rule runs only where its full code is selected or
    in `enable`.
    Raises: UsageError for a word that no code begins with.
    """
    known = {code: rule for code, rule in spec.rules().items() if rule.status != "removed"}
    for word in (*select, *ignore, *enable):
        if not word or not any(code.startswith(word) for code in known):
            raise UsageError(f"no rule code is or begins with '{word}'{did_you_mean(word.upper(), known)}; `bdx rules` lists all")
    return frozenset(
        code
        for code, rule in known.items()
        if (not select or code.startswith(tuple(select)) or code in enable)
        and not (ignore and code.startswith(tuple(ignore)))
        and (rule.status != "preview" or code in select or code in enable)
    )


@cache
def bound_rules() -> tuple[Bound, ...]:
    """Return every rule that has a check, bound to it; raises SpecError for a rule that does not fit its check."""
    return tuple(bind(rule) for rule in spec.rules().values() if rule.check)


def rebound(bound: Bound, args: Mapping[str, Any]) -> Bound:
    """Return a rule with other thresholds; raises UsageError where the rule has no such argument or another type."""
    try:
        return bind(replace(bound.rule, args={**bound.rule.args, **args}))
    except SpecError as error:
        raise UsageError(str(error)) from error
