"""XML Schema files on this disk: which of a folder declares an element, and what its records are of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bdx.errors import UsageError, did_you_mean
from bdx.names import shortened

_XS = "{http://www.w3.org/2001/XMLSchema}"
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_FILES = 2_000
_BYTES = 64 << 20


def lxml() -> Any:
    """Return lxml.etree; raises UsageError naming the extra that brings it."""
    try:
        from lxml import etree
    except ImportError as error:
        raise UsageError("an XML Schema needs lxml, which is not installed: pip install 'bdx[xsd]'") from error
    return etree


@dataclass(slots=True)
class XsdFile:
    """One schema document: its namespace, the elements it declares for all, the types of those inside, the files it takes in."""

    path: Path
    namespace: str
    elements: frozenset[str]
    inner: dict[str, set[str]] = field(default_factory=dict)
    taken: list[Path] = field(default_factory=list)


class XsdFiles:
    """The schema documents of a file or a folder, read once.

    Raises: UsageError where there is none, one is no XML Schema, has a document type, or refers to another computer.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._known: dict[Path, XsdFile] = {}
        self.single = not self.path.is_dir()
        found = [self.path] if self.single else sorted(self.path.rglob("*.xsd"))[:_FILES]
        if not found:
            raise UsageError(f"{path}: holds no .xsd file")
        self.files = [self._read(file, needed=self.single) for file in found]

    def declaring(self, namespace: str, name: str) -> list[XsdFile]:
        """Return the files that declare a global element of a namespace, the newest folder first; for a single file, that one."""
        if self.single:
            return self.files
        found = [file for file in self.files if file.namespace == namespace and name in file.elements]
        return sorted(found, key=lambda file: (file.path.parent.name, file.path.name.count("xxx") == 0), reverse=True)

    def near(self, namespace: str, name: str) -> str:
        """Return words on what is declared instead of an element: the same name elsewhere, or a name like it."""
        elsewhere = sorted({file.namespace or "no namespace" for file in self.files if name in file.elements})
        if elsewhere:
            return f"; it is declared for {shortened(', '.join(elsewhere), 200)}"
        same = {element for file in self.files if file.namespace == namespace for element in file.elements}
        return did_you_mean(name, same) if same else ""

    def declares(self, namespace: str, name: str) -> bool:
        """Say whether any of the files declares a global element."""
        files = [item for file in self.files for item in (self.reached(file) if self.single else [file])]
        return any(file.namespace == namespace and name in file.elements for file in files)

    def types(self, file: XsdFile, names: frozenset[str]) -> dict[str, str]:
        """Return the type of each of the elements that a file and those it takes in declare in one way only."""
        found: dict[str, set[str]] = {}
        for item in self.reached(file):
            if item.namespace == file.namespace:
                for name in names & item.inner.keys():
                    found.setdefault(name, set()).update(item.inner[name])
        return {name: kinds.pop() for name, kinds in found.items() if len(kinds) == 1}

    def declared(self, file: XsdFile) -> frozenset[str]:
        """Return the global elements of a file and of those it takes in, of its own namespace."""
        return frozenset(name for item in self.reached(file) if item.namespace == file.namespace for name in item.elements)

    def reached(self, file: XsdFile) -> Iterator[XsdFile]:
        """Yield a file and all it takes in."""
        waiting, seen = [file.path], set()
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            item = self._known.get(path) or self._read(path, needed=True)
            yield item
            waiting += item.taken

    def _read(self, path: Path, *, needed: bool) -> XsdFile:
        etree = lxml()
        path = path.resolve()
        if path in self._known:
            return self._known[path]
        try:
            data = path.read_bytes() if path.stat().st_size <= _BYTES else b""
            if not data:
                raise UsageError(f"{path}: is empty, or too long for a schema")
            if _DOCTYPE.search(data):
                raise UsageError(f"{path}: has a document type declaration, which is not read")
            root = etree.fromstring(data, parser(etree))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
        except etree.XMLSyntaxError as error:
            raise UsageError(f"{path}: is no XML: {shortened(str(error))}") from error
        if root.tag != f"{_XS}schema":
            raise UsageError(f"{path}: is no XML Schema; its root is {root.tag}")
        found = self._known[path] = _outline(path, root)
        if needed:
            missing = next((file for file in found.taken if not file.is_file()), None)
            if missing is not None:
                raise UsageError(f"{path}: takes in {missing.name}, which does not stand beside it")
        return found


def parser(etree: Any) -> Any:
    """Return a parser that fetches nothing, expands nothing and keeps its bounds."""
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _outline(path: Path, root: Any) -> XsdFile:
    """Return what a schema document declares."""
    inner: dict[str, set[str]] = {}
    for element in root.iter(f"{_XS}element"):
        name, kind = element.get("name"), element.get("type")
        if name and kind:
            prefix, _, local = kind.rpartition(":")
            if element.nsmap.get(prefix or None) == root.get("targetNamespace"):
                inner.setdefault(name, set()).add(local)
    taken = []
    for kind in ("include", "import", "redefine"):
        for node in root.iterchildren(f"{_XS}{kind}"):
            place = node.get("schemaLocation")
            if place is None:
                continue
            parts = urlsplit(place)
            if parts.scheme not in ("", "file") or parts.netloc:
                raise UsageError(f"{path}: refers to {place}; nothing is fetched: put the file beside it and refer to that")
            taken.append((path.parent / unquote(parts.path)).resolve())
    elements = frozenset(node.get("name") or "" for node in root.iterchildren(f"{_XS}element"))
    return XsdFile(path, root.get("targetNamespace") or "", elements, inner, taken)
