"""Options and habits that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from bdx import spec
from bdx.canon import SEVERITIES, Finding, Loss
from bdx.errors import SinkError

F = Callable[..., Any]

# While pyarrow parses it puts handlers of its own in place, and a signal that meets them near the end of a block is lost.
pa.enable_signal_handlers(enable=False)

sources = click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
from_format = click.option("-f", "--from", "from_format", metavar="FORMAT", help="Read the sources as this format instead of detecting it.")
by_mapping = click.option("-m", "--mapping", "by", default="", metavar="FILE", help="Mapping file for flat exports (bdx map init).")
assume_tz = click.option("--assume-tz", metavar="ZONE", help="Zone of times that state none, as in Europe/Berlin.")

current_sign = click.option(
    "--current-sign",
    type=click.Choice(("charge-positive", "discharge-positive")),
    help="How the sources sign current, where nothing in them shows it.",
)
keep_going = click.option("--keep-going", is_flag=True, help="Keep the whole records before the place where a source is damaged.")


def battery(command: F) -> F:
    """Add --battery: the serial number every source is about."""
    return click.option("--battery", default="", metavar="SERIAL", help="Serial number of the battery every source is about.")(command)


def output(*forms: str) -> Callable[[F], F]:
    """Return the -O option of a command that prints in several forms, text first."""
    return click.option(
        "-O", "--output-format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help="Form of the output."
    )


def split(values: Iterable[str]) -> list[str]:
    """Return codes given as repeated options or comma-separated lists."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def colour(stream: Any = None) -> bool:
    """Say whether text output may carry colour: FORCE_COLOR, then NO_COLOR, then whether a person looks."""
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("NO_COLOR") is not None:
        return False
    shown = stream or sys.stdout
    return shown is not None and bool(shown.isatty())


def emit(text: str) -> None:
    """Write data to stdout, untouched by any terminal formatter; as UTF-8 where the encoding of stdout cannot hold it."""
    if sys.stdout is None:
        raise SinkError("standard output is closed; give a path")
    lines = text if text.endswith("\n") else text + "\n"
    try:
        sys.stdout.write(lines)
    except UnicodeEncodeError:
        sys.stdout.flush()
        sys.stdout.buffer.write(lines.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def report_losses(losses: Iterable[Loss], limit: int = 12) -> None:
    """Write what was not carried to stderr, one line per source and reason; sources that lose the same share a line."""
    from bdx.report.words import times

    grouped: dict[tuple[str, str], list[str]] = {}
    for loss in losses:
        grouped.setdefault((loss.source, loss.why), []).append(f"{loss.what}{times(loss.count)}")
    alike: dict[tuple[str, str], list[str]] = {}
    for (source, why), what in grouped.items():
        alike.setdefault((", ".join(what), why), []).append(source)
    lines = []
    for (lost, why), sources in alike.items():
        more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
        lines.append(f"loss: {sources[0]}{more}: not carried: {lost} ({why})")
    for line in lines[:limit]:
        click.echo(line, err=True)
    if len(lines) > limit:
        click.echo(f"loss: and {len(lines) - limit} more kinds of loss (--report FILE lists all)", err=True)


def report_findings(findings: Iterable[Finding], limit: int = 3) -> None:
    """Write findings met on the way to stderr, one line each; of remarks of one rule the first few, of refused attributes the names."""
    from bdx.report.words import plural, times

    shown: dict[str, int] = {}
    refused: dict[str, dict[str, str]] = {}
    for found in findings:
        if found.severity == "info" and spec.rules()[found.code].refuses:
            refused.setdefault(found.source, {})[found.column] = found.code
            continue
        shown[found.code] = shown.get(found.code, 0) + 1
        if found.severity == "info" and shown[found.code] > limit:
            continue
        where = f"{found.source}: " if found.source and not found.message.startswith(found.source) else ""
        click.echo(f"{found.severity}: {found.code} {where}{found.message}{times(found.count)}", err=True)
    for source, columns in list(refused.items())[:limit]:
        named = ", ".join(f"{column} ({code})" for column, code in list(columns.items())[:limit])
        more = f" and {len(columns) - limit} more" if len(columns) > limit else ""
        click.echo(f"info: {source}: {plural(len(columns), 'attribute')} not derived: {named}{more} (--report FILE says why)", err=True)
    if len(refused) > limit:
        click.echo(f"info: {len(refused) - limit:,} more sources with attributes not derived (--report FILE says which)", err=True)
    for code, count in shown.items():
        if count > limit and spec.rules()[code].severity == "info":
            click.echo(f"info: {code} {count - limit:,} more like these (--report FILE lists all)", err=True)


def worst(findings: Iterable[Finding]) -> int:
    """Return the rank of the worst severity among findings, -1 where there are none."""
    return max((SEVERITIES.index(found.severity) for found in findings), default=-1)


class Day(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.5 on
    """A calendar day as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the day as a date."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is not a day; expected YYYY-MM-DD", param, ctx)


def keep_apart(report: str | None, others: Iterable[str]) -> None:
    """Refuse a report file that is a source or the destination of the same run; an older report may be replaced."""
    from bdx.formats.sink import same_path

    if report and report != "-" and any(same_path(report, other) for other in others):
        raise SinkError(f"'{report}' is a source or the destination of this run; give the report a name of its own")


def write_text(path: str, text: str) -> None:
    """Write a report file whole or not at all; `-` is stdout."""
    from bdx.formats.sink import Destination

    if path == "-":
        emit(text)
        return
    with Destination(str(Path(path)), force=True) as sink:
        sink.write(text.encode())
