"""Gaps as SARIF 2.1.0: a run per profile, a rule per requirement, a result per gap, told at the source they were read from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bdx import __version__
from bdx.gaps.result import GapResult, Outcome
from bdx.pipeline.gap_run import GapRun
from bdx.report.gaps_text import told, words
from bdx.report.place import path_of
from bdx.report.sarif import ROOT, SCHEMA, artifact, message_text
from bdx.report.words import plain

_LEVELS = {"mandatory": "error", "conditional": "warning", "optional": "note"}


def render(run: GapRun) -> str:
    """Return the log as indented JSON; what is missing but only asked for in some cases is a note or a warning."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(result, run) for result in run.results]}
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _run(result: GapResult, run: GapRun) -> dict[str, Any]:
    paths = {uri: place for place, uri in enumerate(dict.fromkeys(map(path_of, run.sources)))}
    short = [outcome for outcome in result.outcomes if outcome.status in ("missing", "invalid")]
    rules = [_rule(outcome, result.profile.id) for outcome in short]
    return {
        "tool": {"driver": {"name": "bdx", "version": __version__, "rules": rules}},
        "automationDetails": {"id": f"bdx gaps/{result.profile.id}/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder bdx was called in."}}},
        "artifacts": [{"location": artifact(path, paths), "roles": ["analysisTarget"]} for path in paths],
        "results": [_result(outcome, number, result, next(iter(paths), ""), paths) for number, outcome in enumerate(short)],
        "properties": {"profile": f"{result.profile.id} {result.profile.version}", "records": result.records},
    }


def _rule(outcome: Outcome, profile: str) -> dict[str, Any]:
    wanted = outcome.requirement
    due = f", from {wanted.due}" if wanted.due else ""
    said = f"{wanted.basis}{due}; {words(wanted.tier)}; can come from {', '.join(map(words, wanted.supplier))}. Next: {wanted.action}."
    return {
        "id": f"{profile}/{wanted.id}",
        "name": wanted.name,
        "shortDescription": {"text": plain(wanted.name)},
        "fullDescription": {"text": plain(said)},
        "help": {"text": plain(said)},
        "defaultConfiguration": {"level": _level(outcome)},
        "properties": {
            "tags": ["battery-data", "gap", wanted.section],
            "problem.severity": _level(outcome).replace("note", "recommendation"),
        },
    }


def _level(outcome: Outcome) -> str:
    return "error" if outcome.is_gap else _LEVELS.get(outcome.strength, "note").replace("error", "warning")


def _result(outcome: Outcome, number: int, result: GapResult, path: str, paths: dict[str, int]) -> dict[str, Any]:
    wanted = outcome.requirement
    name = f"{result.profile.id}/{wanted.id}"
    lacks = "; ".join(f"lacks {need.replace(' | ', ' or ')}" for need in outcome.lacking)
    said = "; ".join(filter(None, (f"{wanted.name}: {told(outcome)}", lacks, wanted.action, *outcome.hints)))
    print_ = hashlib.sha256(f"{name}\0{path}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    place = {"artifactLocation": artifact(path, paths), "region": {"startLine": 1}}
    return {
        "ruleId": name,
        "ruleIndex": number,
        "level": _level(outcome),
        "message": {"text": message_text(plain(said))},
        "locations": [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": str(wanted.paths[0]), "kind": "member"}]}],
        "partialFingerprints": {"bdxGap/v1": print_, "primaryLocationLineHash": print_},
        "occurrenceCount": max(1, outcome.records.get("missing", 0) + outcome.records.get("invalid", 0)),
    }
