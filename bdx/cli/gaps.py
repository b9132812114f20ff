"""bdx gaps: name what a receiver will miss."""

from __future__ import annotations

from datetime import date

import click

from bdx.cli import options
from bdx.errors import UsageError


@click.command("gaps", short_help="name what a receiver will miss")
@options.sources
@click.option("--profile", required=True, metavar="PROFILE", help="Requirements to hold the data against (`bdx profiles` lists them).")
@click.option("--category", type=click.Choice(["ev", "lmt", "industrial", "stationary"]), help="Battery category; else each record's own.")
@click.option("--as-of", type=options.Day(), help="Day the requirements are judged on; without it every one counts as in force.")
@click.option(
    "--tier",
    type=click.Choice(["public", "legitimate_interest", "item_legitimate_interest", "authorities"]),
    help="What a viewer of this access tier would see.",
)
@options.from_format
@options.assume_tz
@options.battery
@options.output("text", "json")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is missing.")
@click.option("--allow-empty", is_flag=True, help="Accept records that the profile does not bind on that day.")
@click.option("--output", "destination", default="-", metavar="FILE", help="Write the report to FILE.")
def command(
    sources: tuple[str, ...],
    profile: str,
    category: str | None,
    as_of: date | None,
    tier: str | None,
    from_format: str | None,
    assume_tz: str | None,
    battery: str,
    form: str,
    *,
    exit_zero: bool,
    allow_empty: bool,
    destination: str,
) -> None:
    """List what SOURCEs lack for a receiver: attribute, law or contract, date, tier, and who could supply it.

    Exit 0 no gap among the mandatory requirements, 1 at least one.

    \b
      bdx gaps passport.json --profile ec-guidance --category ev --as-of 2027-02-18
      bdx gaps test.ndax --profile bdf
    """
    from bdx.pipeline.checking import find_gaps
    from bdx.report import gaps_json, gaps_text

    options.keep_apart(destination, sources)
    result = find_gaps(
        sources,
        profile,
        category=category,
        as_of=as_of,
        tier=tier,
        from_format=from_format,
        assume_tz=assume_tz,
        battery=battery,
    )
    color = destination == "-" and options.colour()
    text = gaps_text.render(result, color=color) if form == "text" else gaps_json.render(result)
    options.write_text(destination, text)
    if not result.weighed and not allow_empty:
        raise UsageError(f"nothing was weighed: profile {profile} asks nothing of these records on that day (--allow-empty accepts that)")
    if result.has_gaps and not exit_zero:
        click.get_current_context().exit(1)
