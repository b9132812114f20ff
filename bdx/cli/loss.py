"""bdx loss: what one model cannot carry of another, before anything is converted."""

from __future__ import annotations

import click

from bdx.cli import options


@click.command("loss", short_help="show what one model cannot carry of another")
@click.argument("source", metavar="FROM", required=False)
@click.argument("target", metavar="TO", required=False)
@options.output("text", "json", "csv", "markdown")
def command(source: str | None, target: str | None, form: str) -> None:
    """Show what the model TO cannot carry of the model FROM: attribute, why, and what becomes of it. No data is read.

    Without names, the matrix of all models: how many attributes of each row's model the column's model leaves out.

    \b
      bdx loss catenax-battery-pass idta-02035
      bdx loss battery-pass@1.2.0 battery-pass
    """
    from bdx.errors import UsageError
    from bdx.pipeline import losing
    from bdx.report import loss_text

    if source and not target:
        raise UsageError("give two models, as in `bdx loss catenax-battery-pass idta-02035`, or none for the matrix")
    if source and target:
        options.emit(loss_text.pair(source, target, losing.loss(source, target), form))
        return
    known = losing.models()
    cells = {(a.id, b.id): losing.loss(a.id, b.id) for a in known for b in known if b.writes}
    options.emit(loss_text.matrix([a.id for a in known], [b.id for b in known if b.writes], cells, form))
