"""bdx rules: list rules, or explain one."""

from __future__ import annotations

import click

from bdx import spec
from bdx.cli import options
from bdx.errors import UsageError, did_you_mean


@click.command("rules", short_help="list rules, or explain one")
@click.argument("code", required=False)
@options.output("text", "json", "markdown")
def command(code: str | None, form: str) -> None:
    """List the rules, or those of a family; or explain the one with CODE.

    An explanation says what a rule finds, why it matters and where that is said, with an example that fails and one that passes.

    \b
      bdx rules                          every rule
      bdx rules T                        those on time
      bdx rules T003                     one, by its code or its name
    """
    from bdx.report import rule_text

    known = spec.rules()
    rule = next((item for item in known.values() if code and code.casefold() in (item.code.casefold(), item.name)), None)
    if rule is not None:
        options.emit(rule_text.explained(rule, form))
        return
    chosen = [item for item in known.values() if item.code.startswith((code or "").upper())]
    if not chosen:
        names = [*known, *(item.name for item in known.values())]
        raise UsageError(f"no rule '{code}'{did_you_mean(code or '', known) or did_you_mean(code or '', names)}; `bdx rules` lists all")
    options.emit(rule_text.listed(chosen, form))
