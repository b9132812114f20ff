"""bdx doctor: say why a file is read as it is, or why not."""

from __future__ import annotations

import click

from bdx.cli import options


@click.command("doctor", short_help="say why a file is read as it is, or why not")
@click.argument("source")
@options.from_format
@click.option("--sample", metavar="OUT", help="Write the head of a text file to OUT with the values of its preamble masked.")
@options.output("text", "json")
def command(source: str, from_format: str | None, sample: str | None, form: str) -> None:
    """Show which formats SOURCE comes near to and what each lacks, what reading it gives, and how to make a sample to share.

    Exit 0 where the file can be read, 3 where it cannot.

    \b
      bdx doctor unknown.txt
      bdx doctor unknown.txt --sample anonymous.txt
    """
    from bdx.pipeline.doctoring import examine
    from bdx.report import doctor_text

    options.keep_apart(sample, (source,))
    result = examine(source, from_format=from_format, sample=sample)
    options.emit(doctor_text.render(result, color=options.colour()) if form == "text" else doctor_text.render_json(result))
    if result.error:
        click.get_current_context().exit(3)
