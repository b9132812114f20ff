"""bdx lineage: show what an item was made of and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from bdx.cli import options

_LINES = 4_096
"""Lines written at once."""


@click.command("lineage", short_help="show what an item was made of and what became of it")
@options.sources
@click.argument("item")
@click.option("--up", is_flag=True, help="Only what it was made of, towards raw material.")
@click.option("--down", is_flag=True, help="Only what became of it, as for a recall.")
@click.option("--with-carriers", "carriers", is_flag=True, help="Follow trays, magazines and pallets too.")
@click.option("--every", is_flag=True, help="Follow all items that ITEM means, where it means several.")
@click.option("--missing", is_flag=True, help="Name the items on the way whose inputs are not recorded.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Steps away that are shown.")
@click.option("--all", "whole", is_flag=True, help="Show all of long lists.")
@options.from_format
@options.by_mapping
@options.assume_tz
@options.output("tree", "json", "dot", "mermaid")
def command(
    sources: tuple[str, ...],
    item: str,
    *,
    up: bool,
    down: bool,
    carriers: bool,
    every: bool,
    missing: bool,
    depth: int | None,
    whole: bool,
    from_format: str | None,
    by: str,
    assume_tz: str | None,
    form: str,
) -> None:
    """Follow ITEM through SOURCE... to the raw material it was made of, and to everything made of it.

    ITEM is an identifier, serial number, lot, sub-lot or EPC; ITEM@12.5-30m asks for a piece of a roll. Estimated edges are
    marked with ~. JSON holds everything, whatever --depth says.

    Exit 0 found, 2 unknown item or one of several, 3 unreadable source.

    \b
      bdx lineage line.xml BX36-000042 --up
      bdx lineage data/ SL-C-0042 --down -O json
      bdx lineage -m edges.toml edges.csv SL-C-0042
    """
    from bdx.pipeline.tracing import lineage
    from bdx.report import lineage_drawn, lineage_json, lineage_text
    from bdx.report.lineage_rows import EVERYTHING, Extent

    both = up == down
    result = lineage(
        sources, item, up=up or both, down=down or both, carriers=carriers, every=every, from_format=from_format, by=by, assume_tz=assume_tz
    )
    extent = Extent(depth, EVERYTHING.children, EVERYTHING.lines) if whole else Extent(depth)
    found: Iterator[str]
    if form == "json":
        found = lineage_json.render(result)
    elif form == "tree":
        found = lineage_text.render(result.lineage, extent, color=options.colour(), missing=missing)
    else:
        found = (lineage_drawn.dot if form == "dot" else lineage_drawn.mermaid)(result.lineage, extent)
    while lines := list(islice(found, _LINES)):
        options.emit("\n".join(lines))
    options.report_findings(result.findings)
    options.report_losses(result.losses)
