"""The elements of a batch production record, read by expat one at a time; bounded memory whatever the length of the record."""

from __future__ import annotations

from typing import Any

from bdx.canon import Document
from bdx.errors import SourceError, UnsupportedVersion
from bdx.formats.b2mml_elements import Node
from bdx.formats.b2mml_levels import Reader, _Frame
from bdx.formats.b2mml_names import verb_and_noun
from bdx.formats.source import Source
from bdx.spec import Facts


class Records(Reader):
    """Follows the elements of records by the tables `inside` and `kinds` of the format; the rest is the reader of B2MML."""

    def __init__(self, source: Source, facts: Facts) -> None:
        super().__init__(source, facts)
        self.inside = {name: frozenset(inner) for name, inner in facts["inside"].items()}
        self.kinds: dict[str, str] = facts["kinds"]
        self.records = frozenset(facts["records"])
        self.levels.known = dict.fromkeys([*self.inside, *self.kinds, *(name for inner in self.inside.values() for name in inner)], "part")
        self.levels.clear()
        self.before: dict[int, Node] = {}
        self.beside = 0
        self.told = 0
        """The last segment handed on: what the messages around it said has travelled with it."""

    def enter(self, name: str, around: list[Node | None]) -> bool:
        """Say whether an element is the first record; keeps what the transaction around it asks for.

        Raises: UnsupportedVersion where the root is a recipe, a question, or an answer without data.
        """
        uri, _, plain = name.rpartition(" ")
        if not self.root:
            self._known(plain)
        if plain not in self.records:
            return False
        if fault := self._begun(name, around):
            raise self._unsupported(fault)
        if not uri:
            self.source.log.find("F060", source=self.source.uri, locator=self.where())
        return True

    def open(self, name: str, stack: list[Node | None]) -> None:
        """Open the element that begins, where it is one of those that are read on their own in the one around it."""
        local, depth = self.names[name], len(stack)
        outer = self.frames[-1] if self.frames else None
        if outer is None:
            if local not in self.records:
                return
            self.before.clear()
        elif depth != outer.depth + 1 or local not in self.inside.get(outer.name, ()):
            return
        else:
            self._pause(outer, stack)
        self.ordinal += 1
        self.progress = self.offset()
        self.frames.append(_Frame(self.kinds.get(local, ""), local, depth, self.ordinal, self.place()))

    def close(self, node: Node, around: Node | None) -> Node | None:
        """Hand on the element that ends; returns what the element around it holds from now on."""
        frame = self.frames.pop()
        before = self.before.pop(frame.ordinal, None)
        self.progress = self.offset()
        if not frame.level:
            if before and self._is_message(frame) and self.told < frame.ordinal:
                node = {**before, **node}
            return self._aside(frame.name, node, around) if node else around
        value: dict[str, Any] = {
            "node": node,
            "element": frame.name,
            "ordinal": frame.ordinal,
            "above": [
                {"element": open_.name, "kind": open_.level, "ordinal": open_.ordinal, "said": self.before.get(open_.ordinal) or {}}
                for open_ in self.frames
                if open_.level
            ],
            "action": self.action,
        }
        kind = frame.level
        if kind == "segment":
            kind = "SegmentResponse"
            self.told = frame.ordinal
            value = {**value, **self._segment(node, around)}
        self.ready.append(Document(kind, value, frame.place))
        return around

    def _pause(self, outer: _Frame, stack: list[Node | None]) -> None:
        """Note what an element said before the first of its inner ones; of a message, that no longer travels with the rest."""
        said = stack[-1]
        if self._is_message(outer):
            if outer.ordinal not in self.before:
                self.before[outer.ordinal] = said or {}
                stack[-1] = None
        elif said is not None:
            self.before[outer.ordinal] = said

    def _is_message(self, frame: _Frame) -> bool:
        return frame.name in self.facts["performances"] or frame.name in self.facts["responses"]

    def _segment(self, node: Node, around: Node | None) -> dict[str, Any]:
        """Return what the mapping of segments wants to know of one beside its element."""
        parent = None
        said: dict[str, Node] = {}
        for frame in self.frames:
            for level in ("performances", "responses"):
                if frame.name in self.facts[level]:
                    said[level] = self.before.get(frame.ordinal) or {}
        if self.frames and self.frames[-1].level == "segment":
            parent = {"ordinal": self.frames[-1].ordinal, "said": dict(around or {})}
        return {
            "segment": node,
            "parent": parent,
            "message": self.message,
            "performance": said.get("performances", {}),
            "response": said.get("responses", {}),
            "collection": {},
            "action": "",
            "after": {},
        }

    def _aside(self, name: str, node: Node, around: Node | None) -> Node | None:
        """Keep what stands between the elements read on their own with the one around them, up to a bound."""
        self.beside += 1
        if self.beside > self.limits["beside"]:
            self.source.log.lose(self.source.uri, name, f"more than {self.limits['beside']:,} pieces stand between the elements of records")
            return around
        held = around if around is not None else {}
        known = held.get(name)
        if isinstance(known, list):
            known.append(node)
        else:
            held[name] = node if known is None else [known, node]
        return held

    def ended(self) -> list[Document]:
        """Return the last documents; raises UnsupportedVersion where there was no record."""
        if self.message is None:
            raise self._unsupported("has no batch production record")
        found, self.ready = self.ready, []
        return found

    def _known(self, root: str) -> None:
        """Refuse a root that is known and holds no record."""
        verb, noun = verb_and_noun(root, self.facts)
        self.root, self.verb, self.noun = root, verb, noun
        if noun in self.facts["other_nouns"]:
            raise self._unsupported(f"is {root}, a recipe: it says what shall be made, not what was")
        if verb in self.facts["refused_verbs"]:
            raise self._unsupported(f"is {root}, which asks or answers and holds no data")

    def _unsupported(self, what: str, *, advise: bool = True) -> SourceError:
        verbs = ", ".join((*self.facts["data_verbs"], *self.facts["corrections"]))
        advice = f"; bdx reads BatchProductionRecord, bare or in {verbs} transactions: have the batch system export executed batches"
        return UnsupportedVersion(what + (advice if advise else ""), path=self.source.uri, offset=self.where())
