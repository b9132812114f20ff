"""The rooms import downwards only, and siblings never import each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "bdx"
LEVELS = [
    {"errors"},
    {"spec"},
    {"units", "names", "identifiers", "descent"},
    {"canon"},
    {"formats", "mapping", "rules", "derive", "gaps"},
    {"pipeline"},
    {"report", "batch", "exchange"},
    {"cli"},
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem in LEVEL)


def imported(path: Path) -> set[str]:
    """Return the rooms of bdx a file imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bdx":
            steps = node.module.split(".")[1:]
            found |= {steps[0]} if steps else {alias.name for alias in node.names if alias.name in LEVEL}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bdx.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    upward = {other for other in imported(path) - {room} if LEVEL[other] >= LEVEL[room]}
    assert not upward, f"{path.name} in {room} imports {sorted(upward)}"


def test_every_room_is_known() -> None:
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms <= set(LEVEL)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_cycle_hides_in_a_function(path: Path) -> None:
    """An import inside a function is for a heavy library; inside bdx it would hide a cycle, save in the lazy skins."""
    if path.parent.name == "cli" or path == ROOT / "__init__.py":
        return
    tree = ast.parse(path.read_text("utf-8"))
    hidden = [
        inner.module
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("bdx")
    ]
    assert not hidden, f"{path.name} imports {hidden} inside a function"
