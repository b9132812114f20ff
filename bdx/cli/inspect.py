"""bdx inspect: show what a file is, what it holds and what looks odd."""

from __future__ import annotations

import click

from bdx.cli import options


@click.command("inspect", short_help="show what a file is, what it holds and what looks odd")
@click.argument("source")
@options.from_format
@options.by_mapping
@options.assume_tz
@options.current_sign
@options.keep_going
@click.option("--battery", default="", metavar="SERIAL", help="Show this passport of many, by serial number or identifier.")
@options.output("text", "json")
def command(
    source: str,
    *,
    from_format: str | None,
    by: str,
    assume_tz: str | None,
    current_sign: str | None,
    keep_going: bool,
    battery: str,
    form: str,
) -> None:
    """Show what SOURCE is, the tables it holds, first rows, spans, units, and what looks odd.

    A passport is shown by sections as a person reads it; of many the first ten and how they count up.

    \b
      bdx inspect test.ndax
      bdx inspect passport.json -O json
      bdx inspect passports.jsonl --battery BX36-000042
    """
    from bdx.pipeline.viewing import inspect
    from bdx.report import inspect_text

    how = {"from_format": from_format, "assume_tz": assume_tz, "current_sign": current_sign}
    result = inspect(source, by=by, **how, keep_going=keep_going, battery=battery)
    options.emit(inspect_text.render(result, color=options.colour()) if form == "text" else inspect_text.render_json(result))
