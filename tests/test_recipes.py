"""The recipes of README for CI systems and the pre-commit hook: what they say is run here as those would run it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from bdx import spec

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = {match[1]: yaml.safe_load(match[2]) for match in re.finditer(r"```yaml\n# (\S+)\n(.*?)```", README, re.S)}
GITHUB, GITLAB, PRE_COMMIT = ".github/workflows/data.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"
FAILING = ROOT / "fixtures/formats/digatron/milliseconds-named-seconds/input.csv"
PASSING = ROOT / "fixtures/world/cycler.ndax"
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder as a CI checks it out: data that pass and data that fail."""
    (tmp_path / "data").mkdir()
    shutil.copy(PASSING, tmp_path / "data/cycler.ndax")
    shutil.copy(FAILING, tmp_path / "data/pulse.csv")
    return tmp_path


def called(lines: list[str], folder: Path, shell: str = "-e") -> subprocess.CompletedProcess[str]:
    """Run lines as a job does, in one shell that stops at the first fault, with bdx on its path and nothing else of ours."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "CI": "true",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    return subprocess.run(
        ["bash", shell, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False
    )


def commands(lines: list[str]) -> list[str]:
    """Return the lines of a job without the one that installs bdx, which must be there and come first."""
    assert lines[0].startswith("pip install git+https://"), lines
    assert lines[0].endswith(f"@v{tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))['project']['version']}")
    assert len(lines) > 1
    assert not [line for line in lines[1:] if "pip" in line]
    return lines[1:]


def of_github() -> tuple[list[str], list[dict[str, Any]]]:
    (job,) = BLOCKS[GITHUB]["jobs"].values()
    return commands([step["run"] for step in job["steps"] if "run" in step]), job["steps"]


def test_readme_has_a_recipe_for_each_system() -> None:
    assert list(BLOCKS) == [GITHUB, GITLAB, PRE_COMMIT]
    assert README.count("```yaml") == len(BLOCKS)


# GitHub.


def test_the_job_of_github_fails_on_faults_and_leaves_its_reports(project: Path) -> None:
    (project / "summary").touch()  # the runner makes it
    lines, steps = of_github()
    done = called(lines, project)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^::error title=U003 [a-z-]+,file=data/pulse\.csv(,line=\d+)?::", done.stdout, re.M)
    assert (project / "summary").read_text("utf-8").startswith("## bdx validate: failed\n")
    (upload,) = [step for step in steps if "upload-sarif" in step.get("uses", "")]
    (only,) = json.loads((project / upload["with"]["sarif_file"]).read_text("utf-8"))["runs"]
    assert "U003" in {item["ruleId"] for item in only["results"] if item["level"] == "error"}
    uris = {item["location"]["uri"] for item in only["artifacts"]}
    assert uris == {"data/pulse.csv", "data/cycler.ndax"}
    assert all((project / uri).is_file() for uri in uris)


def test_the_job_of_github_uploads_alerts_after_a_failure_and_may_do_so() -> None:
    workflow = BLOCKS[GITHUB]
    (job,) = workflow["jobs"].values()
    (upload,) = [step for step in job["steps"] if "upload-sarif" in step.get("uses", "")]
    assert "failure()" in upload["if"]
    assert workflow["permissions"] == {"contents": "read", "security-events": "write"}
    assert workflow[True] == ["push", "pull_request"]  # YAML 1.1 reads the key `on` as true, as every reader of workflows knows
    assert all(re.fullmatch(r"[\w-]+/[\w-]+(/[\w-]+)?@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_job_of_github_passes_what_is_sound(project: Path) -> None:
    (project / "data/pulse.csv").unlink()
    done = called(of_github()[0], project)
    assert done.returncode == 0, done.stderr
    assert (project / "summary").read_text("utf-8").startswith("## bdx validate: passed\n")
    assert "::error" not in done.stdout


# GitLab.


def test_the_job_of_gitlab_fails_on_faults_and_leaves_its_reports(project: Path) -> None:
    (job,) = BLOCKS[GITLAB].values()
    done = called(commands(job["script"]), project)
    assert done.returncode == 1, done.stderr
    assert "U003 time-scale-off" in done.stdout
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    entries = json.loads((project / artifacts["reports"]["codequality"]).read_text("utf-8"))
    assert "U003 time-scale-off" in {entry["check_name"] for entry in entries if entry["severity"] == "critical"}
    for entry in entries:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= set(entry)
        assert (project / entry["location"]["path"]).is_file()
        assert entry["location"]["lines"]["begin"] >= 1
    suites = etree.parse(str(project / artifacts["reports"]["junit"])).getroot()
    failed = {suite.get("name"): suite.get("failures") != "0" for suite in suites}
    assert failed == {"data/cycler.ndax": False, "data/pulse.csv": True}


def test_the_job_of_gitlab_says_what_cannot_be_read(project: Path) -> None:
    (project / "data/cut.ndax").write_bytes(PASSING.read_bytes()[:9000])
    (job,) = BLOCKS[GITLAB].values()
    assert called(commands(job["script"]), project).returncode == 3
    suites = etree.parse(str(project / "junit.xml")).getroot()
    assert {suite.get("name"): suite.get("errors") for suite in suites}["data/cut.ndax"] == "1"


def test_the_baseline_that_readme_advises_lets_old_faults_pass(project: Path) -> None:
    (line,) = re.findall(r"`(bdx validate data/\* --write-baseline known\.json)`", README)
    assert called([line], project).returncode == 0
    (project / "bdx.toml").write_text('baseline = "known.json"\n')
    assert called(of_github()[0], project).returncode == 0
    shutil.copy(ROOT / "fixtures/formats/neware-csv/damaged/input.csv", project / "data/new.csv")
    assert called(of_github()[0], project).returncode == 1


# pre-commit.


def hook() -> dict[str, Any]:
    (found,) = HOOKS
    return dict(found)


def taken(name: str, pattern: str | None = None) -> bool:
    return re.search(pattern or hook()["files"], name) is not None


def committed(project: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the hook on files as pre-commit does: its entry with their names behind it."""
    return called([shlex.join([*shlex.split(hook()["entry"]), *names])], project)


def test_the_hook_has_what_pre_commit_wants() -> None:
    made = hook()
    assert {"id", "name", "entry", "language"} <= set(made) <= {"id", "name", "description", "entry", "language", "files", "require_serial"}
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert shlex.split(made["entry"])[0] in scripts
    assert made["language"] == "python"
    used = BLOCKS[PRE_COMMIT]["repos"][0]
    assert [item["id"] for item in used["hooks"]] == [made["id"]]
    assert set(used) == {"repo", "rev", "hooks"}


def test_pre_commit_itself_takes_the_hook() -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib")
    assert clientlib.load_manifest(str(ROOT / ".pre-commit-hooks.yaml"))


def test_the_hook_takes_files_by_ends_that_only_battery_data_have() -> None:
    for name in ("a.ndax", "x/B.NDA", "a.mpr", "a.bdf.csv", "a.cellpy", "p.idta.json", "p.cxbp.jsonl.gz", "a.mpt.xz"):
        assert taken(name), name
    for name in ("a.csv", "a.json", "package.json", "a.xml", "a.txt", "andax", "a.ndax.md", "README.md", "a.parquet"):
        assert not taken(name), name
    assert taken("data/a.csv", BLOCKS[PRE_COMMIT]["repos"][0]["hooks"][0]["files"])


def test_every_end_the_hook_takes_is_one_of_a_format() -> None:
    known = {end for item in spec.formats() for end in item.extensions}
    ends = {"ndax", "nda", "ndc", "mpr", "mpt", "cellpy", "bdf", "bdf.csv", "bdf.parquet", "battdat.h5"}
    ends |= {f"{model}.{form}" for model in ("idta", "cxbp") for form in ("json", "jsonl", "ndjson")}
    assert ends <= known
    assert all(taken(f"a.{end}") for end in ends)


def test_the_hook_passes_and_fails(project: Path) -> None:
    passed = committed(project, ["data/cycler.ndax"])
    assert passed.returncode == 0, passed.stderr
    failed = committed(project, ["data/cycler.ndax", "data/pulse.csv"])
    assert failed.returncode == 1
    assert "U003" in failed.stdout
    assert sorted(path.name for path in project.iterdir()) == ["data"]  # a hook that changes files fails
