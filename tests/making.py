"""The generators of the fixtures as modules: what they simulate, and their files in other shapes than the fixtures have."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

MAKE = Path(__file__).resolve().parents[1] / "fixtures" / "make"


def generator(name: str) -> ModuleType:
    """Return fixtures/make/NAME.py as a module of its own."""
    made = importlib.util.spec_from_file_location(f"make_{name}", MAKE / f"{name}.py")
    assert made is not None and made.loader is not None
    module = importlib.util.module_from_spec(made)
    sys.modules[made.name] = module
    made.loader.exec_module(module)
    return module


def compared(folder: Path) -> tuple[int, list[Path]]:
    """Return how many files a generator wrote to a folder, and those that are not byte for byte the committed fixtures."""
    made = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return len(made), [path for path in made if path.read_bytes() != (MAKE.parent / path.relative_to(folder)).read_bytes()]
