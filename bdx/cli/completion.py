"""bdx completion: print the shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bdx.cli import options


@click.command("completion", short_help="print the shell completion script")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
      eval "$(bdx completion bash)"                 in ~/.bashrc
      eval "$(bdx completion zsh)"                  in ~/.zshrc
      bdx completion fish | source                  in config.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None
    options.emit(complete(ctx.find_root().command, {}, "bdx", "_BDX_COMPLETE").source())
