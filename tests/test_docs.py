"""README tells the truth: its commands are run and their output compared; its tables come from the specs.

`python tests/test_docs.py --update` rewrites outputs and tables from a real run; read the difference before keeping it.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bdx.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.S)
TABLE = re.compile(r"<!-- (bdx [^>]*?) -->\n(.*?)<!-- end -->", re.S)


def steps(block: str) -> list[tuple[str, str]]:
    """Return (command, output) pairs of a console block; a command may go on after a trailing backslash."""
    found: list[tuple[str, str]] = []
    for piece in re.split(r"^\$ ", block, flags=re.M)[1:]:
        lines = piece.split("\n")
        command = [lines.pop(0)]
        while command[-1].endswith("\\"):
            command.append(lines.pop(0))
        found.append(("\n".join(command), "\n".join(lines).rstrip()))
    return found


def shell(command: str, folder: str) -> str:
    """Return what a command prints to stdout and stderr, in a folder that sees the fixtures."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SOURCE_DATE_EPOCH": "1800000000",
        "NO_COLOR": "1",
    }
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{command}"], capture_output=True, text=True, cwd=folder, env=environment, timeout=300, check=False
    )
    assert "Traceback" not in done.stdout, done.stdout
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().split("\n"))


def workplace(folder: str) -> str:
    (Path(folder) / "fixtures").symlink_to(ROOT / "fixtures")
    return folder


def elided(expected: str) -> re.Pattern[str]:
    """Return the pattern of an expected output, in which a line of three dots stands for any lines."""
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + r"\n" for line in expected.split("\n")]
    return re.compile("".join(lines))


def test_readme_commands_print_what_readme_shows(tmp_path: Path) -> None:
    folder = workplace(str(tmp_path))
    for block in BLOCK.findall(README.read_text("utf-8")):
        for command, expected in steps(block):
            found = shell(command, folder)
            assert elided(expected).fullmatch(found + "\n"), f"$ {command}\n--- README\n{expected}\n--- now\n{found}"


@pytest.mark.parametrize(("command", "expected"), TABLE.findall(README.read_text("utf-8")))
def test_readme_tables_come_from_specs(command: str, expected: str, tmp_path: Path) -> None:
    assert shell(command, workplace(str(tmp_path))).strip() == expected.strip()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_is_in_readme(command: str) -> None:
    assert f"bdx {command}" in README.read_text("utf-8")


def test_ci_runs_the_test_command_of_readme() -> None:
    line = (ROOT / ".ci" / "run").read_text("utf-8").strip().split("\n")[-1]
    assert line in README.read_text("utf-8")


def update() -> None:
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        workplace(folder)

        def block(match: re.Match[str]) -> str:
            lines = []
            for command, expected in steps(match[1]):
                found = shell(command, folder)
                keep = expected if expected and elided(expected).fullmatch(found + "\n") else found
                lines.append(f"$ {command}\n{keep}".rstrip())
            return "```console\n" + "\n".join(lines) + "\n```"

        text = BLOCK.sub(block, text)
        text = TABLE.sub(lambda match: f"<!-- {match[1]} -->\n{shell(match[1], folder).strip()}\n<!-- end -->", text)
    README.write_text(text, "utf-8")


if __name__ == "__main__" and "--update" in sys.argv:
    update()
