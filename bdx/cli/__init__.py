"""The `bdx` command: assembles the commands, each imported when it is called, and turns errors into exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys

import click

from bdx import __version__
from bdx.errors import BdxError, did_you_mean

COMMANDS = {
    "convert": "carry data from any known format to another",
    "map": "propose a mapping file for a flat factory export, or check one",
    "inspect": "show what a file is, what it holds and what looks odd",
    "doctor": "say why a file is read as it is, or why not",
    "validate": "check every record against the rules",
    "template": "write a sheet of master data to fill in, or explain its columns",
    "gaps": "name what a receiver will miss",
    "diff": "show what differs between two files of any formats",
    "lineage": "show what an item was made of and what became of it",
    "trace": "follow a value of a passport back to where it came from",
    "loss": "show what one model cannot carry of another",
    "formats": "list formats, or show one",
    "schema": "list canonical tables, or show one",
    "rules": "list rules, or explain one",
    "profiles": "list requirement profiles, or show one",
    "completion": "print the shell completion script",
}

INTERRUPTED = 130


class Lazy(click.Group):
    """A group whose commands live in one module each, imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in their documented order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; where only its help line is needed, a stand-in that imports nothing."""
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing or ctx.invoked_subcommand is not None or not ctx.meta.get("bdx.listing"):
            command: click.Command = importlib.import_module(f"bdx.cli.{cmd_name}").command
            return command
        return click.Command(cmd_name, short_help=COMMANDS[cmd_name])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        ctx.meta["bdx.listing"] = True
        super().format_commands(ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command name; an unknown one fails with the nearest known."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"no command '{args[0]}'{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "-V", "--version", message="bdx %(version)s")
def cli() -> None:
    """Battery data exchange: between cyclers, factories and battery passports.

    Reads what instruments, MES and passport platforms really write, checks every record, names what is missing,
    and carries it on through one set of canonical tables. Data goes to stdout, messages to stderr.

    Exit codes: 0 fine, 1 findings or gaps, 2 misuse, 3 unreadable source, 4 destination refused, 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit with bdx's own codes."""
    if hasattr(signal, "SIGPIPE"):
        # A closed pipe ends quietly; click's own exit 1 would read as findings.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # What `timeout` and service managers send: leave as after Ctrl-C, with nothing half-written.
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    # Many short-lived batches of text: mimalloc keeps a third more memory for them than the system's allocator, and is no faster.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    code = run()
    if code == INTERRUPTED:
        # Everything is closed and told; threads and libraries stopped midway need not be taken down one by one.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _stop(number: int, frame: object) -> None:
    sink = sys.modules.get("bdx.formats.sink")
    if sink is not None:
        sink.INTERRUPTED.set()
    raise KeyboardInterrupt


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; no traceback leaves here."""
    try:
        code = cli.main(args=args, prog_name="bdx", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "bdx"
        say(f"error: {error.format_message().rstrip('.')} (`{command} --help` shows what it takes)")
        return 2
    except click.ClickException as error:
        say(f"error: {error.format_message()}")
        return 2
    except BdxError as error:
        say(f"error: {error}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted; nothing was written")
        return INTERRUPTED
    except BrokenPipeError:
        # Only where SIGPIPE does not exist: keep the interpreter from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        say(f"error: cannot write: {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 4
    except MemoryError:
        say("error: out of memory")
        return 3
    return code if isinstance(code, int) else 0


def say(message: str) -> None:
    """Write one message line to stderr."""
    click.echo(f"bdx: {message}", err=True)
