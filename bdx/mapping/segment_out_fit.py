"""Elements fitted to the schema of one B2MML version: order, names, words, lexical forms; what the schema has no place for is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bdx import spec
from bdx.canon import Log
from bdx.mapping.segment_nodes import many
from bdx.spec import Facts

Tree = tuple[str, dict[str, str] | None, Any]
"""Element name, attributes, and either its text or a list of trees."""

_TIME = re.compile(r"[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?")
_FORMS = {
    "duration": re.compile(r"-?P(?=.)(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?(?:T(?=.)(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?"),
    "boolean": re.compile(r"true|false|0|1"),
    "decimal": re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"),
}
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BREAKS = re.compile(r"[\t\r\n]")


@dataclass(slots=True)
class _Place:
    """Where a child stands in its parent: position, the version's name, type, and whether more than one may stand there."""

    position: int
    name: str
    kind: str
    several: bool


class Fit:
    """Fits elements, written as the reader yields them, to one version; `table` and `locator` say whose they are."""

    def __init__(self, version: str, alias: Facts, source: str, log: Log) -> None:
        facts = content()
        self.version = facts[f"v{version}"]
        self.number = version
        self.table = ""
        self.locator = ""
        self._alias = dict(alias)
        self._source = source
        self._log = log
        self._missing = dict(facts["missing"])
        self._attributes = {name: frozenset(words) for name, words in facts["attributes"].items()}
        self._types: dict[str, list[tuple[str, str, str]]] = {}
        for kind, rows in self.version["types"].items():
            self._types[kind] = [tuple(row.split()) for row in rows]  # type: ignore[misc]
        self._needed = {kind: [row for row in rows if row[1] == "!"] for kind, rows in self._types.items()}
        self._leaves = {
            kind: (facts["base"], self._attributes.get(facts.get("attributes", ""), frozenset()), facts.get("other", False), _folded(facts))
            for kind, facts in self.version["leaves"].items()
        }
        self._places: dict[tuple[str, str], _Place | None] = {}
        self._made = 0
        self._unfit: dict[str, str] = {}

    def place(self, kind: str, name: str) -> _Place | None:
        """Return where a child of that name stands in an element of a type; the name may be another version's."""
        key = (kind, name)
        if key not in self._places:
            self._places[key] = self._find(kind, name)
        return self._places[key]

    def holds(self, kind: str, name: str) -> bool:
        """Say whether an element of a type has a place for a child of that name."""
        return self.place(kind, name) is not None

    def is_leaf(self, kind: str) -> bool:
        """Say whether elements of a type hold text and no children."""
        return kind in self._leaves

    def has_attribute(self, kind: str, name: str) -> bool:
        """Say whether an element of a type, one of text, may have an attribute."""
        leaf = self._leaves.get(kind)
        return leaf is not None and (name in leaf[1] or (leaf[2] and name == "OtherValue"))

    def words(self, kind: str) -> tuple[str, ...]:
        """Return the words that a type is limited to."""
        return tuple(self.version["leaves"][kind].get("words", ()))

    def tree(self, name: str, kind: str, node: Any) -> Tree | None:
        """Return an element as the version wants it, or None where nothing of it can stand."""
        if kind in self._leaves:
            return self._leaf(name, kind, node)
        if type(node) is str:
            if node.strip():
                self.lose(name, "the schema wants elements there, not text")
            return None
        placed: list[tuple[int, Tree]] = []
        places = self._places
        for key, value in node.items():
            place = places.get((kind, key)) or self._placed(name, kind, key)
            if place is None:
                continue
            if type(value) is not list:
                found = self.tree(place.name, place.kind, value)
                if found is not None:
                    placed.append((place.position, found))
                continue
            if len(value) > 1 and not place.several:
                self.lose(f"{name}/{key}", "the schema allows one", len(value) - 1)
                value = value[:1]  # noqa: PLW2901 - the rest is lost
            for child in value:
                found = self.tree(place.name, place.kind, child)
                if found is not None:
                    placed.append((place.position, found))
        for wanted, _, inner in self._needed[kind]:
            if not any(found[0] == wanted for _, found in placed):
                made = self._stand_in(wanted, inner)
                if made is None:
                    self.lose(name, f"it has no {wanted}, which the schema asks for")
                    return None
                placed.append((self._find(kind, wanted).position, made))  # type: ignore[union-attr]
        if len(placed) > 1:
            placed.sort(key=_position)
        return (name, None, self._single(name, kind, [found for _, found in placed]))

    def _placed(self, name: str, kind: str, key: str) -> _Place | None:
        """Return where a child stands; one that stands nowhere is lost."""
        place = self.place(kind, key) if key[:1] != "@" and key not in ("", "text") else None
        if place is None:
            self.lose(f"{name}/{key or 'text'}", "the schema has no place for it")
        return place

    def _single(self, name: str, kind: str, children: list[Tree]) -> list[Tree]:
        """Return children without a second of a name that may stand once: two names of other versions can mean the same."""
        kept: list[Tree] = []
        for child in children:
            if kept and kept[-1][0] == child[0] and not self.place(kind, child[0]).several:  # type: ignore[union-attr]
                self.lose(f"{name}/{child[0]}", "the schema allows one")
                continue
            kept.append(child)
        return kept

    def needs(self, kind: str, name: str) -> bool:
        """Say whether an element of a type must have a child of that name."""
        return any(row[0] == name for row in self._needed[kind])

    def restart(self) -> None:
        """Number the identifiers that stand in for missing ones anew: they are handles inside one step."""
        self._made = 0

    def text(self, text: str) -> str:
        """Return a text without the characters that XML cannot hold; each such text is a loss."""
        if text.isascii() and text.isprintable():
            return text
        if _UNFIT.search(text) is None:
            return text
        place = self._unfit.setdefault(self.table, self.locator)
        self.lose(f"characters that XML cannot hold, first at {place or 'a row without a place'}", "they are written as U+FFFD")
        return _UNFIT.sub("\ufffd", text)

    def lose(self, what: str, why: str, count: int = 1) -> None:
        """Name what is not carried, by its table."""
        if count:
            self._log.lose(self._source, f"{self.table}: {what}" if self.table else what, why, count)

    def _find(self, kind: str, name: str) -> _Place | None:
        rows = self._types.get(kind, [])
        names = [row[0] for row in rows]
        found = name
        if name not in names:
            wanted = self._alias.get(name, name)
            found = next((other for other in names if self._alias.get(other, other) == wanted), "")
            if not found:
                return None
        position = names.index(found)
        return _Place(position, found, rows[position][2], rows[position][1] in "*+")

    def _stand_in(self, name: str, kind: str) -> Tree | None:
        if name == "ID":
            self._made += 1
            return (name, None, f"N{self._made}")
        text = self._missing.get(name)
        return self.tree(name, kind, text) if text is not None else None

    def _leaf(self, name: str, kind: str, node: Any) -> Tree | None:
        base, allowed, other, words = self._leaves[kind]
        attributes: dict[str, str] | None = None
        if type(node) is str:
            text = node
        else:
            text = node.get("", node.get("text", ""))
            attributes = self._kept(name, allowed, other, node)
        if words is not None:
            word = words.get(text.strip().casefold())
            stated = (attributes or {}).get("OtherValue", "")
            if word is None and not text.strip():
                return None
            if word is None and not other:
                self.lose(name, f"'{text.strip()[:40]}' is none of the words the schema allows")
                return None
            if word is None:
                return (name, {**(attributes or {}), "OtherValue": self.text(text.strip())}, "Other")
            if word == "Other" and stated.casefold() in words:
                rest = {key: value for key, value in (attributes or {}).items() if key != "OtherValue"}
                return (name, rest or None, words[stated.casefold()])
            return (name, attributes, word)
        if base == "dateTime":
            text = text.strip()
            if not is_moment(text):
                if text:
                    self.lose(name, "it is no date and time as XML has them")
                return None
        elif base in _FORMS:
            text = text.strip()
            if _FORMS[base].fullmatch(text) is None:
                self.lose(name, f"it is no {base}")
                return None
        return (name, attributes, self.text(text))

    def _kept(self, name: str, allowed: frozenset[str], other: bool, node: dict[str, Any]) -> dict[str, str] | None:
        kept: dict[str, str] = {}
        for key, value in node.items():
            if key in ("", "text"):
                continue
            plain = key[1:] if key[:1] == "@" else ""
            if plain and type(value) is str and (plain in allowed or (other and plain == "OtherValue")) and self._lexical(plain, value):
                kept[plain] = self.text(value)
            else:
                self.lose(f"{name}/{key}", "the schema has no place for it")
        return kept or None

    def _lexical(self, attribute: str, value: str) -> bool:
        """Say whether an attribute's text has the form its type wants: a language, an address, anything."""
        if attribute.startswith("language"):
            return re.fullmatch(r"[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*", value.strip()) is not None
        return not attribute.lower().endswith("uri") or re.search(r"[\s%<>\"{}|\\^`\[\]]", value.strip()) is None


def content() -> Facts:
    """Return the facts of what B2MML elements may hold."""
    return spec.load(spec.root() / "b2mml_content.toml", "b2mml_content")


def is_moment(text: str) -> bool:
    """Say whether a text is a date and time as XML Schema has them."""
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text))
    except ValueError:
        return False
    return True


def put_back(fit: Fit, kind: str, node: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Add to an element what was kept beside its columns, each to its place; returns what has none in this version."""
    rest: dict[str, Any] = {}
    for path, value in extra.items():
        name, slash, inner = path.partition("/")
        place = fit.place(kind, name) if name[:1] not in ("{", "@") else None
        if place is None:
            rest[path] = value
        elif not slash:
            node[name] = value if type(value) is list or name not in node else [*many(node, name), value]
        elif inner[:1] == "@" and fit.has_attribute(place.kind, inner[1:]) and type(value) is str:
            held = many(node, name)
            first = held[0] if held else ""
            first = dict(first) if isinstance(first, dict) else {"": first}
            node[name] = [{**first, inner: value}, *held[1:]]
        else:
            rest[path] = value
    return rest


def _folded(facts: Facts) -> dict[str, str] | None:
    return {str(word).casefold(): str(word) for word in facts["words"]} if facts.get("words") else None


def _position(placed: tuple[int, Tree]) -> int:
    return placed[0]
