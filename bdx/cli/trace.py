"""bdx trace: follow a value of a passport back to where it came from."""

from __future__ import annotations

import click

from bdx.cli import options


@click.command("trace", short_help="follow a value of a passport back to where it came from")
@click.argument("passport")
@click.argument("words", nargs=-1, required=True, metavar="[SERIAL] COLUMN")
@click.option("--evidence", default="", metavar="FILE", help="Evidence of the passport; else PASSPORT.evidence.jsonl.")
@options.from_format
@options.output("text", "json", "mermaid")
def command(passport: str, words: tuple[str, ...], *, evidence: str, from_format: str | None, form: str) -> None:
    """Follow COLUMN of PASSPORT to the derivation, rows and file it came from.

    COLUMN is a column (rated_capacity_ah, material[2].mass_kg), a field of the model (RatedCapacity) or a JSON pointer.
    SERIAL names the battery where PASSPORT holds several. Convert writes the evidence beside passports; data sets hold it.
    Where a source is at hand, relative to here or beside PASSPORT, its hash is checked, its rows are shown, and the value is
    derived again.

    Exit 0 traced, 1 traced but something does not agree, 2 unknown COLUMN or SERIAL, 3 no evidence.

    \b
      bdx trace passport.json rated_capacity_ah
      bdx trace passports.jsonl BX36-000042 /BatteryNameplate/DateOfManufacture -O json
    """
    from bdx.pipeline.value_trace import trace_value
    from bdx.report import trace_drawn, trace_json, trace_text

    if len(words) > 2:
        raise click.UsageError(f"expected PASSPORT [SERIAL] COLUMN, found {len(words) + 1} arguments")
    trace = trace_value(passport, words[-1], serial=words[0] if len(words) > 1 else "", evidence=evidence, from_format=from_format)
    if form == "json":
        options.emit(trace_json.render(trace))
    elif form == "mermaid":
        options.emit("\n".join(trace_drawn.render(trace)))
    else:
        options.emit("\n".join(trace_text.render(trace, options.colour())))
    options.report_findings(trace.findings)
    if trace.findings:
        raise click.exceptions.Exit(1)
