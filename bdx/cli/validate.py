"""bdx validate: check every record against the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from bdx.canon import SEVERITIES, Finding
from bdx.cli import options
from bdx.errors import BdxError, UsageError

FORMS = ("text", "json", "jsonl", "junit", "sarif", "github", "gitlab", "markdown", "html")
"""What bdx.report.REPORTS knows; repeated here so that --help loads nothing."""


@click.command("validate", short_help="check every record against the rules")
@options.sources
@options.from_format
@options.by_mapping
@options.assume_tz
@options.current_sign
@options.output(*FORMS)
@click.option("--select", multiple=True, metavar="CODES", help="Only these codes or prefixes, as in T,E002.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Not these codes or prefixes.")
@click.option("--severity", multiple=True, metavar="CODE=LEVEL", help="Give a rule or a family another severity. Repeatable.")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Add a named set of rules and thresholds, as in nmc, lfp.")
@click.option(
    "--schema",
    metavar="PATH",
    help="Check JSON sources against this JSON Schema too, or XML sources against this .xsd or folder of them (local references only).",
)
@click.option("--every", is_flag=True, help="Report each bad row on its own instead of one finding per rule and column.")
@click.option("--baseline", metavar="FILE", help="Leave out the findings that FILE holds; only new ones count.")
@click.option("--write-baseline", metavar="FILE", help="Write the findings of this run to FILE as the baseline, and exit 0.")
@click.option("--config", metavar="FILE", help="Settings file instead of the nearest bdx.toml or pyproject.toml with [tool.bdx].")
@click.option("--isolated", is_flag=True, help="Use no settings file.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit 1 at findings this severe.  [default: error]")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found (unreadable sources still exit 3).")
@click.option("--allow-empty", is_flag=True, help="Accept sources that hold nothing to check.")
@click.option(
    "--output",
    "files",
    multiple=True,
    metavar="FILE",
    help="Also write a report to FILE, its form told by the name (.sarif, .xml, .html, .md, .jsonl, .json, .txt, gl-code-quality*.json) "
    "or given as FORM=FILE. Repeatable.",
)
def command(
    sources: tuple[str, ...],
    from_format: str | None,
    by: str,
    assume_tz: str | None,
    current_sign: str | None,
    form: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    *,
    severity: tuple[str, ...],
    profiles: tuple[str, ...],
    schema: str | None,
    every: bool,
    baseline: str | None,
    write_baseline: str | None,
    config: str | None,
    isolated: bool,
    fail_on: str | None,
    exit_zero: bool,
    allow_empty: bool,
    files: tuple[str, ...],
) -> None:
    """Check every record of SOURCEs: types, units, time, electricity, documents, production.

    Exit 0 clean, 1 findings at or above --fail-on, 3 a source could not be read, 4 a report could not be written. What a
    project asks for (select, ignore, severity, profile, args, fail-on, baseline, expect) stands in bdx.toml or [tool.bdx].

    \b
      bdx validate test.ndax passport.json
      bdx validate *.csv -O github --fail-on warning
      bdx validate *.csv --output bdx.sarif --output junit.xml --output report.html
      bdx rules T001                     explains a rule
    """
    from bdx.pipeline.checking import validate
    from bdx.pipeline.settings import assemble

    reports = _reports(form, files, sources)
    options.keep_apart(write_baseline, sources)
    settings = assemble(config, isolated=isolated, profiles=profiles, severity=severity, baseline=baseline, every=every)
    if write_baseline:
        settings = replace(settings, baseline="")
    fail_on = fail_on or settings.fail_on or "error"
    reading = {"from_format": from_format, "assume_tz": assume_tz, "current_sign": current_sign}
    result = validate(
        sources,
        **reading,
        by=by,
        select=options.split(select),
        ignore=options.split(ignore),
        allow_empty=allow_empty,
        settings=settings,
        schema=schema,
        ended=_stream if form == "jsonl" else None,
    )
    code = max((error.exit_code for error in result.failures), default=0)
    if write_baseline:
        _remember(write_baseline, result)
    elif not code and not exit_zero and options.worst(result.findings) >= SEVERITIES.index(fail_on):
        code = 1
    _write(reports, result, reading, fail_on=fail_on, exit_code=code, full=every)
    click.get_current_context().exit(code)


def _reports(form: str, files: tuple[str, ...], sources: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (form, path) of every report of this run, standard output last.

    Raises: UsageError for a file whose form is not told or that is named twice, SinkError for one that is a source.
    """
    from bdx import report
    from bdx.formats.sink import same_path

    for word in files:
        options.keep_apart(word, sources)  # before its form matters: a source named by mistake is never replaced
    found = [report.destination(word) for word in files]
    for place, (_, path) in enumerate(found):
        options.keep_apart(path, sources)
        if any(same_path(path, other) for _, other in found[:place]):
            raise UsageError(f"--output names '{path}' twice")
    return [*found, (form, "-")]


def _remember(path: str, result: Any) -> None:
    """Write the findings of a run to a baseline file and say so."""
    from bdx.pipeline import baseline

    count = baseline.write(path, result.findings)
    click.echo(f"wrote {path} ({count} known findings)", err=True)


def _stream(findings: list[Finding]) -> None:
    """Write the lines of one source to standard output."""
    from bdx.report import jsonl

    if findings:
        options.emit("".join(map(jsonl.line, findings)))


def _write(reports: list[tuple[str, str]], result: Any, reading: dict[str, str | None], **facts: Any) -> None:
    """Write every report; one that cannot be written stops none of the others, and the first such error is raised at the end.

    Of JSON lines on standard output only the last is missing here: the others went out as each source ended.
    """
    from bdx import report
    from bdx.pipeline.reading import ReadOptions
    from bdx.pipeline.stretches import stretches
    from bdx.report import jsonl

    curves = stretches(result, ReadOptions(**reading)) if any(form == "html" for form, _ in reports) else []  # type: ignore[arg-type]
    failed: list[BdxError] = []
    for form, path in reports:
        color = form == "text" and path == "-" and options.colour()
        try:
            streamed = (form, path) == ("jsonl", "-")
            options.write_text(path, jsonl.last(result) if streamed else report.render(form, result, color, stretches=curves, **facts))
        except BdxError as error:
            failed.append(error)
    if failed:
        raise failed[0]
