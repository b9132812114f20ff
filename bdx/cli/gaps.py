"""bdx gaps: name what a receiver will miss."""

from __future__ import annotations

import importlib
from typing import Any

import click

from bdx.cli import options
from bdx.errors import UsageError

_FORMS = {"text": "gaps_text", "json": "gaps_json", "jsonl": "gaps_json", "csv": "gaps_csv", "markdown": "gaps_markdown"}
_FORMS |= {"html": "gaps_html", "junit": "gaps_junit", "sarif": "gaps_sarif"}


@click.command("gaps", short_help="name what a receiver will miss")
@options.sources
@click.option(
    "--profile",
    "profiles",
    required=True,
    multiple=True,
    metavar="PROFILE",
    help="Requirements to hold the data against: an id (`bdx profiles` lists them) or a file of your own. Repeatable.",
)
@click.option("--category", metavar="CATEGORY", help="Category taken for every record, as in ev, lmt, industrial; else each record's own.")
@click.option("--as-of", type=options.Day(), help="Day the requirements are judged on; without it every one counts as in force.")
@click.option(
    "--tier",
    type=click.Choice(["public", "legitimate_interest", "item_legitimate_interest", "authorities"]),
    help="What a viewer of this access tier would see.",
)
@options.from_format
@options.assume_tz
@options.battery
@click.option("--baseline", default="", metavar="FILE", help="Earlier report (-O json): say what closed and what opened since.")
@options.output(*_FORMS)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is missing.")
@click.option("--allow-empty", is_flag=True, help="Accept records that the profile does not bind on that day.")
@click.option("--output", "destination", default="-", metavar="FILE", help="Write the report to FILE.")
def command(
    sources: tuple[str, ...], profiles: tuple[str, ...], form: str, *, exit_zero: bool, allow_empty: bool, destination: str, **wanted: Any
) -> None:
    """List what SOURCEs lack for a receiver: attribute, law or contract, date, tier, who could supply it, what to do next.

    With several profiles each is weighed by itself, and where they contradict one another is named.
    Exit 0 no gap among the mandatory requirements, 1 at least one.

    \b
      bdx gaps passport.json --profile ec-guidance --category ev --as-of 2027-02-18
      bdx gaps test.ndax --profile bdf
      bdx gaps passports.jsonl --profile gefeg-1.0 --profile ec-guidance -O html --output gaps.html
      bdx gaps passports.jsonl --profile ours.toml --baseline last-week.json
    """
    from bdx.pipeline.gap_run import find_all

    baseline = wanted["baseline"]
    options.keep_apart(destination, (*sources, *([baseline] if baseline else [])))
    run = find_all(sources, profiles, **wanted)
    report = importlib.import_module(f"bdx.report.{_FORMS[form]}")
    if form == "text":
        text = report.render(run, color=destination == "-" and options.colour())
    else:
        text = report.lines(run) if form == "jsonl" else report.render(run)
    options.write_text(destination, text)
    if not run.weighed and not allow_empty:
        names = ", ".join(result.profile.id for result in run.results if not result.weighed)
        raise UsageError(f"nothing was weighed: profile {names} asks nothing of these records on that day (--allow-empty accepts that)")
    if run.has_gaps and not exit_zero:
        click.get_current_context().exit(1)
