"""bdx convert: carry data from any known format to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from bdx.canon import Finding
from bdx.cli import options


def _listed(ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    """Print the repairs there are and leave where `list` is asked for; else return the words."""
    if "list" in words and not ctx.resilient_parsing:
        from bdx.pipeline.repairs import repairs

        for repair in repairs().values():
            answers = f" ({', '.join(repair.answers)})" if repair.answers else ""
            options.emit(f"{repair.name}\n    {repair.title}{answers}.\n    {repair.does}; undo {repair.undo}")
        ctx.exit()
    return words


@click.command("convert", short_help="carry data from any known format to another")
@options.sources
@click.option(
    "-o", "--output", "destination", default="-", metavar="DEST", help="Destination; - is stdout, a name ending in / is a dataset folder."
)
@click.option("-t", "--to", metavar="FORMAT[@VERSION]", help="Target format; else the suffix of DEST decides.")
@options.from_format
@options.by_mapping
@click.option("--table", metavar="TABLE", help="Canonical table to write where the target holds one.")
@click.option("--strict", is_flag=True, help="Write nothing and exit 1 if anything is lost or could not be read.")
@click.option("--force", is_flag=True, help="Replace an existing destination.")
@options.keep_going
@click.option(
    "--repair",
    "repair",
    multiple=True,
    metavar="NAME",
    callback=_listed,
    is_eager=True,
    help="Do a named repair on the way, NAME:undo to take one back; `--repair list` shows all. Repeatable.",
)
@click.option(
    "--reject", metavar="FILE", help="Put documents that are broken or off their schema into FILE as they stood; the rest passes, exit 1."
)
@click.option("--parts", "by_part", is_flag=True, help="Write a folder with a file for each part of each passport.")
@click.option("--join", "join_tests", is_flag=True, help="Read all cycler files as parts of one test, in the order given.")
@options.current_sign
@options.assume_tz
@options.battery
@click.option(
    "--set",
    "give",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Value for records that have none, as battery.model_id=BX36-14 or rated_capacity=14Ah. Repeatable.",
)
@click.option(
    "--personal",
    type=click.Choice(["drop", "hash", "keep"]),
    default="drop",
    show_default=True,
    help="Names of persons: leave them out, write keyed pseudonyms (key in BDX_PERSONAL_KEY), or keep them.",
)
@click.option("--ids", default="", metavar="FILE", help="Table of names that mean the same item: in cycler, MES, master data.")
@click.option(
    "--prefer",
    multiple=True,
    metavar="SOURCE|METHOD",
    help="Source whose values win where several disagree, or measured, derived, declared in the order wanted. Repeatable.",
)
@click.option(
    "--tolerance", multiple=True, metavar="[COLUMN=]SHARE", help="Share within which numbers agree: 2% (default), rated_capacity_ah=0.5%."
)
@click.option(
    "--require", multiple=True, metavar="PROFILE", help="Write nothing unless it has no gap by PROFILE (bdx profiles). Repeatable."
)
@click.option("--require-each", is_flag=True, help="Put records with gaps by --require into the --reject FILE and write the others.")
@click.option("--category", metavar="CATEGORY", help="Category taken for every record when gaps are weighed, as in ev, lmt, industrial.")
@click.option("--as-of", type=options.Day(), help="Day the requirements are judged on; without it every one counts as in force.")
@click.option("--jobs", type=click.IntRange(0), default=0, metavar="N", help="Processes that read cycler files; 0: one per core if many.")
@click.option("--evidence", metavar="FILE", help="Write where each value of passports comes from to FILE; else beside DEST.")
@click.option("--no-evidence", is_flag=True, help="Write no evidence beside passports.")
@click.option("--report", metavar="FILE", help="Write findings, losses, gaps and the evidence of each value as JSON to FILE.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(
    sources: tuple[str, ...],
    destination: str,
    *,
    repair: tuple[str, ...],
    reject: str | None,
    report: str | None,
    evidence: str | None,
    no_evidence: bool,
    quiet: bool,
    **wanted: Any,
) -> None:
    """Convert SOURCEs to one destination.

    The formats are told by the bytes; - reads stdin. Several sources become one data set; with a passport target
    (-t idta-02035, -t catenax-battery-pass) they become one passport per battery, joined by serial number, each
    value with its evidence in DEST.evidence.jsonl (see bdx trace). Cycler files whose records go on where the one
    before ended are one test. What the target cannot hold is named on stderr, as are the gaps of the passport. Nothing
    is repaired unasked; what --repair does is counted on stderr and kept in the table `evidence`. A broken record stops
    a conversion, naming its line; with --reject it goes to FILE with a finding, the rest passes, and the exit code is 1
    if FILE is not empty.

    \b
      bdx convert test.ndax -o test.parquet
      cat test.ndax | bdx convert - -t arrow | bdx convert - -o test.h5
      bdx convert test.csv -o test.parquet --repair current-milliampere
      bdx convert test.ndax line.xml master.csv -t idta-02035 -o passport.json
      bdx convert cycler/ mes/ master.csv --ids names.csv -t idta-02035 --require eu-battery-regulation -o passports.jsonl
      bdx convert passports.jsonl master.csv --set model_id=BX36-14 -t idta-02035 -o out.jsonl
    """
    from bdx.pipeline.converting import convert
    from bdx.pipeline.gate import GateError
    from bdx.pipeline.rejecting import AllRejected

    if evidence and no_evidence:
        raise click.UsageError("--evidence and --no-evidence exclude each other")
    options.keep_apart(report, (*sources, destination, *(name for name in (reject, evidence, wanted["ids"]) if name)))
    told = None if no_evidence else evidence or ""
    try:
        with Progress(quiet) as progress:
            result = convert(sources, destination, repair=repair, reject=reject or "", evidence=told, progress=progress.update, **wanted)
    except GateError as error:
        for held in error.results:
            _report_gaps(held)
        if report:
            _write_refusal(report, destination, error, error.log.findings, error.results)
        raise
    except AllRejected as error:
        if not quiet:
            options.report_findings(error.findings)
        if report:
            _write_refusal(report, destination, error, error.findings, ())
        raise
    if not quiet:
        options.report_findings(result.findings)
        _report_repairs(result.findings, repair)
        options.report_losses(result.losses)
        _report_gaps(result.gaps)
        if destination != "-":
            rows = ", ".join(f"{count:,} {name}" for name, count in result.written.items())
            click.echo(f"wrote {destination} ({result.format}: {rows})", err=True)
        if result.evidence_file:
            click.echo(f"wrote {result.evidence_file} (evidence of {result.evidence_rows:,} values)", err=True)
    if report:
        _write_report(report, result)
    if result.rejected:
        from bdx.report.words import plural

        click.echo(f"rejected {plural(result.rejected, 'record')} to {reject}", err=True)
        raise click.exceptions.Exit(1)


def _report_repairs(findings: Iterable[Finding], asked: tuple[str, ...]) -> None:
    """Say once for each rule which repairs there are for what it found, save where one of these was asked for."""
    from bdx.pipeline.repairs import answering

    for code in dict.fromkeys(found.code for found in findings if found.severity == "error"):
        names = answering(code)
        if names and not {word.partition(":")[0] for word in asked} & set(names):
            click.echo(f"hint: repairs for {code}: {', '.join(names)} (--repair NAME, or NAME:undo; nothing is repaired unasked)", err=True)


def _report_gaps(result: Any) -> None:
    if result is None:
        return
    from bdx.report.gaps_text import brief

    for line in brief(result):
        click.echo(line, err=True)


def _write_report(path: str, result: Any) -> None:
    import dataclasses
    import json

    from bdx.report import gaps_json

    document = {
        "schema": "bdx-convert/1",
        "destination": result.destination,
        "format": result.format,
        "rows": result.rows,
        "rejected": result.rejected,
        "findings": [dataclasses.asdict(found) for found in result.findings],
        "losses": [dataclasses.asdict(loss) for loss in result.losses],
        "evidence": result.evidence,
        "evidence_file": result.evidence_file,
        "gaps": gaps_json.told(result.gaps) if result.gaps is not None else None,
    }
    options.write_text(path, json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def _write_refusal(path: str, destination: str, error: Exception, findings: Iterable[Finding], gaps: Iterable[Any]) -> None:
    """Write why nothing was written, in the shape of a report on what was."""
    import dataclasses
    import json

    from bdx.report import gaps_json

    document = {
        "schema": "bdx-convert/1",
        "destination": destination,
        "refused": str(error),
        "rows": {},
        "findings": [dataclasses.asdict(found) for found in findings],
        "required": [gaps_json.told(result) for result in gaps],
    }
    options.write_text(path, json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


class Progress:
    """A row counter on stderr that appears after a second, and only for a person."""

    def __init__(self, quiet: bool) -> None:
        import sys

        self._quiet = quiet or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if not self._quiet:
            from tqdm import tqdm

            self._bar = tqdm(unit=" rows", unit_scale=True, delay=1, leave=False)
        return self

    def update(self, rows: int) -> None:
        """Count rows."""
        if self._bar is not None:
            self._bar.update(rows)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
