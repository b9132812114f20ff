"""Doctor: why a file is read as it is, or why not: the formats it comes near to, what a reading of its head shows, a sample to share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bdx import formats, spec
from bdx.canon import Finding, Log
from bdx.errors import BdxError, SinkError, UsageError
from bdx.formats.sink import Destination
from bdx.formats.source import Source
from bdx.pipeline.masking import masked
from bdx.pipeline.reading import ReadOptions, chunks, open_source

SHOWN = 8
_ENCODINGS = ("utf-8-sig", "utf-16", "gb18030", "cp1252")


@dataclass(slots=True)
class Nearness:
    """One format the source could be, its score from 0 to 1 and what it lacks."""

    id: str
    title: str
    score: float
    lacks: list[str]


@dataclass(slots=True)
class DoctorResult:
    """What `bdx doctor` tells of one source; `format` is empty where none fits and `error` says why."""

    source: str
    bytes: int | None
    packing: str
    starts: str
    format: str = ""
    title: str = ""
    error: str = ""
    nearest: list[Nearness] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    supplied: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    sample: str = ""


def examine(source: str | Path, *, from_format: str | None = None, sample: str | Path | None = None) -> DoctorResult:
    """Return how a source is recognised, what reading it gives and what it lacks; with `sample`, write an anonymised head there.

    Raises: SourceError where there are no bytes to look at; UsageError for a sample of what is not text; SinkError.
    """
    options = ReadOptions(from_format=from_format)
    probe = Source(str(source), Log())
    result = DoctorResult(probe.uri, probe.size, probe.packing, _starts(probe.head))
    result.nearest = [
        Nearness(candidate.format.id, candidate.format.title, round(candidate.score, 2), candidate.lacks)
        for candidate in formats.candidates(probe)[:SHOWN]
    ]
    if probe.uri == "<stdin>":
        options.stdin = probe.seekable()  # what the pipe brought is read again from its copy
        result.bytes = options.stdin.seek(0, 2)
        options.stdin.seek(0)
    _read(result, str(source), options)
    if sample is not None:
        text, encoding = _decoded(probe.head)
        if text is None:
            raise UsageError(f"{probe.uri} is no text; a sample of a binary file is best made with a program that writes its layout")
        if str(sample) != "-" and Path(sample).exists():
            raise SinkError(f"'{sample}' exists; give the sample a name of its own")
        with Destination(str(sample), sources=[str(source)]) as sink:
            sink.write(masked(text).encode(encoding))
        result.sample = str(sample)
    probe.close()
    return result


def _read(result: DoctorResult, source: str, options: ReadOptions) -> None:
    """Read the source to its end and note what came of it."""
    try:
        opened = open_source(source, 1, options)
        result.format, result.title = opened.format.full_id, opened.format.title
        if opened.source.packing:
            result.packing = opened.source.packing
        for chunk in chunks(opened, options):
            for name, batch in chunk.items():
                result.rows[name] = result.rows.get(name, 0) + batch.num_rows
                for column in batch.schema if name == "timeseries" else ():
                    into = result.extras if column.name.startswith("extra_") else result.supplied
                    if column.name not in into:
                        into.append(column.name)
        result.findings = opened.log.findings
    except BdxError as error:
        result.error = str(error).removeprefix(f"{result.source}: ")
    if "timeseries" in result.rows and "frequency_hertz" not in result.supplied:
        wanted = [column for column in spec.table("timeseries").columns if column.required or column.recommended]
        result.missing = [column.name for column in wanted if column.name not in result.supplied]


def _starts(head: bytes) -> str:
    text, encoding = _decoded(head)
    if text is None:
        return f"bytes {head[:16].hex(' ')}"
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{encoding.removesuffix('-sig')} text: {first[:72]}"


def _decoded(head: bytes) -> tuple[str | None, str]:
    """Return the head as text and its encoding, None where it is no text."""
    for encoding in _ENCODINGS if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in head else ():
        if encoding == "utf-16" and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            text = head.decode(encoding)
        except UnicodeDecodeError as error:
            # The head is cut at a fixed number of bytes, which may split its last character.
            if error.start < len(head) - 4:
                continue
            text = head[: error.start].decode(encoding)
        marked = encoding != "utf-8-sig" or head.startswith(b"\xef\xbb\xbf")
        return text, encoding if marked else "utf-8"
    return None, ""
