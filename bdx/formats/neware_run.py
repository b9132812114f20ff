"""One test of a Neware archive or server folder -> facts of the test and the columns of its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bdx.canon import Document, Log, Part, Table
from bdx.errors import CorruptSource, TruncatedSource
from bdx.formats.neware_aux import NAME, Beside, aux_columns, channels
from bdx.formats.neware_blocks import Member, Rows, row_type
from bdx.formats.neware_columns import Column, batches, held
from bdx.formats.neware_fat import fat_columns
from bdx.formats.neware_laid import laid_columns
from bdx.formats.neware_stamped import Stamped, step_types
from bdx.formats.source import Source
from bdx.spec import Facts

_READ_MEMBERS = {"data.ndc", "data_runInfo.ndc", "data_step.ndc", "TestInfo.xml", "VersionInfo.xml", "Step.xml"}
_RECORD = 0x55


class Members(Protocol):
    """Where the members of a test come from: an archive, or the files of a server folder under the names of an archive."""

    members: dict[str, Any]
    absent: str
    """What is said of a member that is not there."""
    fault: tuple[str, int | str] | None
    """Why not all members are there, and where that shows."""
    partial: str
    """Which member is there in part."""

    def label(self, name: str) -> str:
        """Return what a member is called where it lies."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""

    def xml(self, name: str, log: Log) -> dict[str, Any]:
        """Return the tree of a member."""


class Run:
    """One reading of one test. `facts` are the tables of specs/formats/neware-ndax.toml."""

    def __init__(self, source: Source, facts: Facts, members: Members) -> None:
        self.source, self.facts, self.members = source, facts, members
        self.faults: list[tuple[str, int | str]] = []

    def parts(self) -> Iterator[Part]:
        """Yield the facts of the test and its records.

        Raises: TruncatedSource when all that was whole has been read.
        """
        main = self.member("data.ndc", "main")
        facts = main.facts("main")
        info = {"ndc": facts["version"], **self.info()}
        style = {"fat": self.fat, "laid": self.laid, "stamped": self.stamped}[facts["style"]]
        columns, beside = style(main, facts, info)
        for channel in channels(self.members.members, info["TestInfo"], self.facts["aux"]):
            member = self.optional(channel.member, "aux")
            columns += aux_columns(channel, member, self, beside) if member else []
        self.report_losses()
        schema = pa.schema([column.field for column in columns])
        yield Document("info", info)
        yield Table("records", schema, batches(columns, schema, beside.count))
        for message, offset in [*([self.members.fault] if self.members.fault else []), *self.faults]:
            raise TruncatedSource(f"{message}; {beside.count} whole records were read", path=self.source.uri, offset=offset)

    def member(self, name: str, kind: str) -> Member:
        """Return a member whose header was found to be of that kind and of a known version."""
        member = Member(self.members.label(name), self.members.read(name), self.source.uri, self.facts)
        facts = member.facts(kind)
        if not facts["seen"] and kind == "main":
            self.source.log.find("F028", source=self.source.uri, locator=member.name, value=f"ndc version {facts['version']}")
        return member

    def rows(self, member: Member, kind: np.dtype[np.void]) -> Rows:
        """Return the rows of a member; blocks that fail their checksum are remarked on, a cut member is raised for at the end."""
        rows = member.rows(kind)
        if member.damaged:
            first, name = member.damaged[0], member.name
            self.source.log.find("F024", source=self.source.uri, locator=name, value=name, count=len(member.damaged), first=first)
        if member.cut:
            self.faults.append(("ends inside a block", f"{member.name} byte {len(member.data)}"))
        return rows

    def optional(self, name: str, kind: str) -> Member | None:
        """Return a member that may be missing or cut before its rows, which is remarked on."""
        reason = self.members.absent
        if name in self.members.members:
            try:
                return self.member(name, kind)
            except TruncatedSource:
                reason = "it ends inside its header"
        label = self.members.label(name)
        self.source.log.find("F026", source=self.source.uri, locator=label, value=label, reason=reason)
        return None

    def listed(self, name: str, kind: str) -> tuple[Rows, bool]:
        """Return the rows of a member that may be missing, and whether it ends early."""
        layout = self.facts["layout"][kind]
        member = self.optional(name, kind)
        if member is None:
            return np.empty(0, row_type(layout, max(offset for offset, _ in layout.values()) + 8)), False
        return self.rows(member, row_type(layout, member.row_bytes(kind))), member.cut or self.members.partial == name

    def info(self) -> dict[str, Any]:
        """Return what the XML members say of the test, by member and by their own names."""
        log = self.source.log
        test = _node(self.members.xml("TestInfo.xml", log), "TestInfo")
        step = _node(self.members.xml("Step.xml", log), "Head_Info")
        head = {key: node.get("Value") for key, node in step.items() if isinstance(node, dict)}
        info = {"TestInfo": test, "VersionInfo": _node(self.members.xml("VersionInfo.xml", log)), "Step": head}
        place = [str(test[key]) for key in ("DevID", "UnitID", "ChlID") if key in test]
        return {"Channel": "-".join(place), **info} if place else info

    def stamped(self, main: Member, facts: Facts, info: dict[str, Any]) -> tuple[list[Column], Beside]:
        """Return the columns of tests whose time, steps and counters stand in sparse stamps."""
        rows = self.rows(main, row_type(self.facts["layout"]["main"], main.row_bytes("main")))
        run, cut = self.listed("data_runInfo.ndc", "run")
        steps, _ = self.listed("data_step.ndc", "step")
        laid = Stamped(self.source, self.facts, facts, rows, run, steps, cut)
        if laid.first is not None:
            info["FirstRecord"] = laid.first
        return laid.columns(), Beside(laid.count)

    def fat(self, main: Member, facts: Facts, info: dict[str, Any]) -> tuple[list[Column], Beside]:
        """Return the columns of old tests, whose records hold everything."""
        units = self.facts["units"]["fat"]
        rows = self.rows(main, row_type(self.facts["layout"][facts["layout"]], main.row_bytes("main")))
        kept = rows[rows["mark"] == _RECORD] if "mark" in (rows.dtype.names or ()) else rows[rows["index"] > 0]
        counted = np.diff(kept["index"].astype(np.int64))
        if not facts["seen"] and len(counted) and np.median(counted) != 1:
            raise CorruptSource(
                f"has ndc version {facts['version']}, whose records do not count up where they should stand",
                path=self.source.uri,
                offset=f"{main.name} byte 2",
            )
        if len(kept) < len(rows):
            why = "bdx has seen no file with such rows"
            if "mark" in (rows.dtype.names or ()):
                self.source.log.lose(self.source.uri, f"rows of {main.name} that are no records", why, len(rows) - len(kept))
        columns = fat_columns(kept, self.facts["range"]) | {"Step Type": step_types(kept["kind"], self.facts["step_types"], self.source)}
        unit = {"Total Time": ["s"], "Step Time": ["s"], "Voltage": units["voltage"], "Current": units["current"]}
        unit |= {name: units[name.split()[1].lower()] for name in columns if name.endswith(("Capacity", "Energy"))}
        found = [held(name, values, unit.get(name, ())) for name, values in columns.items()]
        return found, Beside(len(kept), kept["index"].astype(np.int64))

    def laid(self, main: Member, facts: Facts, info: dict[str, Any]) -> tuple[list[Column], Beside]:
        """Return the columns of tests whose header lays out the rows (BTS 9)."""
        columns, count = laid_columns(self, main)
        return columns, Beside(count)

    def report_losses(self) -> None:
        """Log the members and the parts of members that are not carried."""
        for name in sorted(self.members.members):
            if name not in _READ_MEMBERS and not NAME.fullmatch(name):
                self.source.log.lose(
                    self.source.uri, self.members.label(name), "bdx carries records and facts of the test, not this member"
                )
        if "Step.xml" in self.members.members:
            self.source.log.lose(self.source.uri, "Step.xml: program steps and limits", "no canonical table holds a test program")


def _node(tree: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the element under root and config at a path; {} where there is none."""
    for key in ("root", "config", *path):
        tree = tree.get(key, {})
        if not isinstance(tree, dict):
            return {}
    return tree
