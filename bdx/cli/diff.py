"""bdx diff: show what differs between two files of any formats."""

from __future__ import annotations

import click

from bdx.cli import options


@click.command("diff", short_help="show what differs between two files of any formats")
@click.argument("left")
@click.argument("right")
@options.assume_tz
@options.output("text", "json")
def command(left: str, right: str, assume_tz: str | None, form: str) -> None:
    """Show what differs between LEFT and RIGHT in canonical terms, whatever their formats.

    Exit 0 nothing differs, 1 something does.

    \b
      bdx diff passport.json catenax.json
    """
    from bdx.pipeline.comparing import diff
    from bdx.report import diff_text

    result = diff(left, right, assume_tz=assume_tz)
    options.emit(diff_text.render(result) if form == "text" else diff_text.render_json(result))
    if result.differences:
        click.get_current_context().exit(1)
