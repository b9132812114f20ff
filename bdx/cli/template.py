"""bdx template: print or write a sheet that a maker fills in, or explain its columns."""

from __future__ import annotations

from collections.abc import Iterable

import click

from bdx.cli import options


@click.command("template", short_help="write a sheet of master data to fill in, or explain its columns")
@click.argument("name", required=False)
@click.option("--profile", metavar="PROFILE", help="Only the columns that this profile makes due.")
@click.option("--category", metavar="CATEGORY", help="Battery category that the profile is asked about.")
@click.option("--explain", is_flag=True, help="Say per column what it means, its unit, law, access tier, words, and who can tell it.")
@options.output("text", "markdown", "csv")
@click.option("-o", "--output", "destination", metavar="FILE", help="Write FILE: .csv holds one table, .xlsx a sheet for each.")
@click.option("--force", is_flag=True, help="Replace an existing FILE.")
def command(
    name: str | None, *, profile: str | None, category: str | None, explain: bool, form: str, destination: str | None, force: bool
) -> None:
    """Print the header of a sheet of master data, or write a workbook with drop-down lists and help; without NAME list them.

    `battery-passport` has a row for each battery; the other templates hold lists (materials, documents, spare parts), whose
    rows name their battery by its serial number. What is filled in converts like any source.

    \b
      bdx template battery-passport > master.csv
      bdx template battery-passport --profile ec-guidance --category lmt -o master.xlsx
      bdx template material --explain
      bdx convert master.csv material.csv -t idta-02035 -o passports.jsonl
    """
    from bdx import spec
    from bdx.formats.sink import Destination
    from bdx.pipeline import templating
    from bdx.report import template_text

    if name is None:
        for item in templating.names():
            table = spec.table(templating.table_of(item))
            options.emit(f"{item:20} {len(templating.template(item)):4} columns  {table.meaning}")
        return
    if destination is None or destination == "-":
        entries = templating.template(name, profile, category)
        options.emit(template_text.explained(entries, form) if explain else template_text.header(entries))
        _say_more(name, profile, category)
        return
    kind = destination.lower().rpartition(".")[2]
    if kind not in ("csv", "xlsx"):
        raise click.UsageError(f"'{destination}': a template is a .csv or an .xlsx file")
    if explain and kind == "xlsx":
        raise click.UsageError("a workbook explains its columns anyway, on the sheet 'columns'; leave --explain out")
    with Destination(destination, force=force) as sink:
        if kind == "xlsx":
            templating.write_workbook(templating.workbook(name, profile, category), sink)
        else:
            entries = templating.template(name, profile, category)
            sink.write((template_text.explained(entries, "csv") if explain else template_text.header(entries)).encode())
    if kind == "csv":
        _say_more(name, profile, category)


def _say_more(name: str, profile: str | None, category: str | None) -> None:
    """Name the further templates that a profile asks for, since a CSV file holds one table."""
    from bdx.pipeline import templating

    if not profile or templating.table_of(name) != "battery":
        return
    others: Iterable[str] = [table for table in templating.workbook(name, profile, category) if table != "battery"]
    listed = ", ".join(others)
    if listed:
        click.echo(f"the profile also asks for {listed}: a template each, or all as sheets with -o NAME.xlsx", err=True)
