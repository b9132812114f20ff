"""bdx map: propose a mapping file for a flat export, and say what one does."""

from __future__ import annotations

import click

from bdx.cli import options


@click.group("map", short_help="propose a mapping file for a flat factory export, or check one")
def command() -> None:
    """Mapping files say what the columns of CSV and XLSX exports of a factory are.

    \b
      bdx map init line.csv -o line.toml        propose one from the headers
      bdx map check line.toml line.csv          say what it does with a file
      bdx convert -m line.toml *.csv -o dataset/
    """


@command.command("init")
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", "destination", default="-", metavar="MAPPING", help="Where to write the proposal; - is stdout.")
@click.option("--force", is_flag=True, help="Replace an existing mapping file.")
def init(source: str, destination: str, *, force: bool) -> None:
    """Propose a mapping for FILE from its headers (English, German, Chinese), their units and the first rows.

    What is not recognised stands as a comment with examples of its cells; left like that it is kept in `extra`.
    """
    from bdx.formats.sink import Destination
    from bdx.pipeline.proposing import propose
    from bdx.pipeline.proposing_text import render

    made = propose(source)
    text = render(made)
    if destination == "-":
        options.emit(text)
        return
    with Destination(destination, force=force, sources=[source]) as sink:
        sink.write(text.encode())
    known = sum(found is not None for table in made.tables for found in table.meanings)
    every = sum(bool(name) for table in made.tables for name in table.header.names)
    click.echo(f"wrote {destination} ({known} of {every} columns recognised; the others stand as comments)", err=True)


@command.command("check")
@click.argument("by", metavar="MAPPING")
@click.argument("source", metavar="FILE")
@options.assume_tz
@options.output("text", "json")
def check(by: str, source: str, *, assume_tz: str | None, form: str) -> None:
    """Say what MAPPING does with FILE: columns used and left, rows made, values that do not parse."""
    from bdx.pipeline.proposing_check import check as checked
    from bdx.report import map_text

    made = checked(by, source, assume_tz=assume_tz)
    if form == "text":
        options.emit(map_text.render(made))
        return
    import dataclasses
    import json

    document = {"schema": "bdx-map-check/1", **dataclasses.asdict(made)}
    options.emit(json.dumps(document, ensure_ascii=False, indent=2, default=str))


@command.command("fields")
def fields() -> None:
    """List what a column can be, with the words that are recognised."""
    from bdx.mapping.flat_words import facts

    for row in facts()["field"]:
        options.emit(f"{row['name']:<24}{row['title']}\n    {', '.join(row['words'][:12])}")
