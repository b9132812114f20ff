"""BatchML batch production records as a stream of documents, one per element that matters, in the words and order of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bdx.canon import Part
from bdx.formats.b2mml import _ELEMENT, _NOT_ELEMENTS, _blocks, _text_of
from bdx.formats.b2mml_names import NAMESPACE, verb_and_noun
from bdx.formats.batchml_levels import Records
from bdx.formats.source import Source
from bdx.spec import FormatSpec


def sniff(head: bytes, spec: FormatSpec) -> bool:
    """Say whether the first element is a batch production record, a transaction of one, or a recipe of BatchML."""
    text = _NOT_ELEMENTS.sub("", _text_of(head)).lstrip("\ufeff \t\r\n")
    found = _ELEMENT.match(text)
    if found is None:
        return False
    prefix, root, attributes = found.groups()
    nouns, recipes = spec.raw["batch_nouns"], spec.raw["other_nouns"]
    verb, noun = verb_and_noun(root, spec.raw)
    if root == "Envelope":
        return any(verb_and_noun(name, spec.raw)[1] in nouns for _, name, _ in _ELEMENT.findall(text))
    if noun in nouns:
        return True
    space = re.search(rf"""xmlns{":" + prefix if prefix else ""}\s*=\s*["']([^"']*)""", attributes)
    return noun in recipes and (bool(verb) or (space is not None and NAMESPACE.search(space[1]) is not None))


def read(source: Source, spec: FormatSpec) -> Iterator[Part]:
    """Yield one `Document(kind, value, "line N")` per element that is read on its own, inner ones before the one they are part of.

    `kind` is a word of the table `kinds` of the spec. `value` holds `node` (the element, as the reader of B2MML gives
    elements), `element` (its name), `ordinal` (from 1, by place of the start tag), `above` (name, ordinal and what was
    said so far, of every such element around it, the record first) and `action` (change, delete or empty). A segment
    response is a document as the reader of B2MML yields it, with `ordinal` and `above` beside.
    Raises: UnsafeSource for document types, entities, excess; UnsupportedVersion for recipes and questions;
    CorruptSource and TruncatedSource with the line.
    """
    reader = Records(source, spec.raw)
    with source.stream() as stream:
        for data in _blocks(stream, source, spec.raw):
            yield from reader.feed(data)
        yield from reader.finish()
