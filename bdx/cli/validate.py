"""bdx validate: check every record against the rules."""

from __future__ import annotations

import click

from bdx.canon import SEVERITIES
from bdx.cli import options


@click.command("validate", short_help="check every record against the rules")
@options.sources
@options.from_format
@options.assume_tz
@options.current_sign
@options.output("text", "json", "github")
@click.option("--select", multiple=True, metavar="CODES", help="Only these codes or prefixes, as in T,E002.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Not these codes or prefixes.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="error", show_default=True, help="Exit 1 at findings this severe.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found (unreadable sources still exit 3).")
@click.option("--allow-empty", is_flag=True, help="Accept sources that hold nothing to check.")
@click.option("--output", "destination", default="-", metavar="FILE", help="Write the report to FILE.")
def command(
    sources: tuple[str, ...],
    from_format: str | None,
    assume_tz: str | None,
    current_sign: str | None,
    form: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    *,
    exit_zero: bool,
    allow_empty: bool,
    destination: str,
) -> None:
    """Check every record of SOURCEs: types, units, time, electricity, documents, production.

    Exit 0 clean, 1 findings at or above --fail-on, 3 a source could not be read.

    \b
      bdx validate test.ndax passport.json
      bdx validate *.csv -O github --fail-on warning
      bdx rules T001                     explains a rule
    """
    from bdx import report
    from bdx.pipeline.checking import validate

    options.keep_apart(destination, sources)
    result = validate(
        sources,
        from_format=from_format,
        assume_tz=assume_tz,
        current_sign=current_sign,
        select=options.split(select),
        ignore=options.split(ignore),
        allow_empty=allow_empty,
    )
    options.write_text(destination, report.render(form, result, color=form == "text" and destination == "-" and options.colour()))
    if result.failures:
        click.get_current_context().exit(max(error.exit_code for error in result.failures))
    if not exit_zero and options.worst(result.findings) >= SEVERITIES.index(fail_on):
        click.get_current_context().exit(1)
