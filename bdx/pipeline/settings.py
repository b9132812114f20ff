"""What a project asks of `validate`: rules chosen, severities, thresholds, expectations, from bdx.toml or [tool.bdx] of pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bdx import spec
from bdx.canon import SEVERITIES, Log
from bdx.errors import UsageError, did_you_mean

KEYS = ("select", "ignore", "severity", "profile", "args", "fail-on", "baseline", "expect")
_LISTS = ("select", "ignore", "profile")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run judges.

    `select` and `ignore` are codes or their beginnings; `severity` maps such words to a level, the longest word wins; `args`
    maps a rule's code to thresholds that replace its own; `enable` names rules that run only on request; `expect` holds the
    tables of expectations; `baseline` is a file of known findings.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    expect: tuple[Mapping[str, Any], ...] = ()
    fail_on: str = ""
    baseline: str = ""
    every: bool = False

    def judge(self, log: Log) -> None:
        """Give the findings of a log the severities that were asked for."""
        for found in log.findings:
            words = [word for word in self.severity if found.code.startswith(word)]
            if words:
                found.severity = self.severity[max(words, key=len)]


def nearest(start: Path | None = None) -> Settings:
    """Return the settings of the nearest bdx.toml, or pyproject.toml with [tool.bdx], in a folder or above it; else the plain ones.

    Raises: UsageError as `load`.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        for name in ("bdx.toml", "pyproject.toml"):
            path = folder / name
            facts = _facts(path) if path.is_file() else None
            if facts is not None:
                return _settings(path, facts)
    return Settings()


def load(path: Path) -> Settings:
    """Return the settings of a file.

    Raises: UsageError naming file and key, for what is no TOML, an unknown key, a wrong type, an unknown rule, profile or severity.
    """
    return _settings(path, _facts(path) or {})


def _settings(path: Path, facts: Mapping[str, Any]) -> Settings:
    for key in facts:
        if key not in KEYS:
            raise UsageError(f"{path}: no setting '{key}'{did_you_mean(key, KEYS)}; known: {', '.join(KEYS)}")
    lists = {key: _words(path, key, facts.get(key, [])) for key in _LISTS}
    made = Settings(lists["select"], lists["ignore"], baseline=str(facts.get("baseline", "")), fail_on=str(facts.get("fail-on", "")))
    if made.baseline:
        made = replace(made, baseline=str(path.parent / made.baseline))
    if made.fail_on and made.fail_on not in SEVERITIES:
        raise UsageError(f"{path}: fail-on = '{made.fail_on}'; expected one of {', '.join(SEVERITIES)}")
    for name in lists["profile"]:
        made = with_profile(made, name)
    made = with_severity(made, [f"{code}={level}" for code, level in _mapping(path, "severity", facts).items()])
    args = {code: _mapping(path, f"args.{code}", _mapping(path, "args", facts)) for code in _mapping(path, "args", facts)}
    return replace(made, args=_merged(made.args, args), expect=tuple(facts.get("expect", ())))


def assemble(
    config: str | None = None,
    *,
    isolated: bool = False,
    profiles: Iterable[str] = (),
    severity: Iterable[str] = (),
    baseline: str | None = None,
    every: bool = False,
) -> Settings:
    """Return the settings of a run: those of the file, then what the command line adds.

    Raises: UsageError as `load`, and where `config` does not exist.
    """
    made = load(Path(config)) if config else Settings() if isolated else nearest()
    for name in profiles:
        made = with_profile(made, name)
    made = with_severity(made, severity)
    return replace(made, baseline=baseline or made.baseline, every=every)


def with_severity(settings: Settings, pairs: Iterable[str]) -> Settings:
    """Return the settings with more severities, each given as CODE=level.

    Raises: UsageError for a pair that is none, an unknown code or level.
    """
    found = dict(settings.severity)
    for pair in pairs:
        word, mark, level = pair.partition("=")
        if not mark or level not in SEVERITIES:
            raise UsageError(f"--severity {pair}: expected CODE=level with a level of {', '.join(SEVERITIES)}")
        if not any(code.startswith(word) for code in spec.rules()) or not word:
            raise UsageError(f"--severity {pair}: no rule code is or begins with '{word}'{did_you_mean(word.upper(), spec.rules())}")
        found[word] = level
    return replace(settings, severity=found)


def with_profile(settings: Settings, name: str) -> Settings:
    """Return the settings with a named set of rules and thresholds (specs/rulesets/NAME.toml) added.

    Raises: UsageError for an unknown name.
    """
    facts = spec.facts("rulesets", name)
    return replace(
        settings,
        select=(*settings.select, *facts.get("select", ())),
        ignore=(*settings.ignore, *facts.get("ignore", ())),
        severity={**facts.get("severity", {}), **settings.severity},
        args=_merged(settings.args, facts.get("args", {})),
        enable=(*settings.enable, *facts.get("enable", ())),
    )


def _merged(first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {code: {**first.get(code, {}), **second.get(code, {})} for code in {**first, **second}}


def _facts(path: Path) -> dict[str, Any] | None:
    """Return what a file says to bdx; None for a pyproject.toml without [tool.bdx]."""
    try:
        facts = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}") from error
    return facts.get("tool", {}).get("bdx") if path.name == "pyproject.toml" else facts


def _words(path: Path, key: str, value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{path}: {key} is {value!r}; expected a list of texts")
    return tuple(words)


def _mapping(path: Path, key: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    value = facts.get(key.rpartition(".")[2], {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{path}: {key} is {value!r}; expected a table")
    return value
