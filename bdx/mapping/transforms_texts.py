"""Texts of documents: as they are, from closed lists of words, in languages, in lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bdx.errors import SpecError
from bdx.mapping.transforms_base import Fault, Options, Transform, plain, same
from bdx.spec import Column, Facts


def text(column: Column, facts: Facts, options: Options) -> Transform:
    """A text as it is."""

    def read(raw: Any) -> str:
        if type(raw) is str:
            return raw
        raise Fault("M001", "a text")

    return Transform(read, same, "text", plain)


def flag(column: Column, facts: Facts, options: Options) -> Transform:
    """True or false."""

    def read(raw: Any) -> bool:
        if type(raw) is bool:
            return raw
        raise Fault("M001", "true or false")

    return Transform(read, same, "flag", plain)


def told(column: Column, facts: Facts, options: Options) -> Transform:
    """A text that a model says of itself: read, and never written for a record of another model."""
    return Transform(text(column, facts, options).read, lambda value: None)


def words(column: Column, facts: Facts, options: Options) -> Transform:
    """A closed list of words: canonical value = word, or a list whose first is written and all are read."""
    read_as: dict[str, str] = {}
    write_as: dict[str, str] = {}
    for value, known in facts["words"].items():
        if column.enum and value not in column.enum:
            raise SpecError(f"field '{facts['at']}': '{value}' is not in the enum of {column.name}")
        every = (known,) if isinstance(known, str) else tuple(known)
        write_as[value] = every[0]
        read_as.update(dict.fromkeys(every, value))
    folded = {word.casefold(): value for word, value in read_as.items()}
    other = facts.get("other")
    narrow = dict(facts.get("narrow", {}))

    def read(raw: Any) -> str:
        if type(raw) is not str:
            raise Fault("M001", "a text")
        found = read_as.get(raw) or folded.get(raw.strip().casefold()) or other
        if found is None:
            raise Fault("M002", "one of " + ", ".join(write_as.values()))
        return str(found)

    values = (*write_as, other) if other and other not in write_as else tuple(write_as)
    return Transform(read, lambda value: write_as.get(value, narrow.get(value)), "word", narrow=narrow, values=values)


def texts(column: Column, facts: Facts, options: Options) -> Transform:
    """A list of texts; a bare text is read as a list of one."""

    def read(raw: Any) -> list[str]:
        if type(raw) is str:
            return [raw]
        if type(raw) is list and all(type(item) is str for item in raw):
            return raw
        raise Fault("M001", "a list of texts")

    return Transform(read, same, "", plain)


def single(column: Column, facts: Facts, options: Options) -> Transform:
    """A list that has one place in the canonical tables: its first text; a bare text is read too."""

    def read(raw: Any) -> str | None:
        if type(raw) is str:
            return raw
        if type(raw) is list and all(type(item) is str for item in raw):
            return raw[0] if raw else None
        raise Fault("M001", "a list of one text")

    return Transform(read, lambda value: [value])


def language_object(column: Column, facts: Facts, options: Options) -> Transform:
    """A text in languages, read in any of its shapes and written as {"de": x}."""
    listed = language_text(column, facts, options)
    return Transform(listed.read, lambda value: listed.write(value)[0])


def first(column: Column, facts: Facts, options: Options) -> Transform:
    """A list of texts of which the model has room for the first, as a bare text."""

    def read(raw: Any) -> list[str]:
        if type(raw) is str:
            return [raw]
        raise Fault("M001", "a text")

    return Transform(read, lambda value: value[0] if value else None, part=True)


def language_text(column: Column, facts: Facts, options: Options) -> Transform:
    """A text in languages, in any of its shapes: [{"de": x}], {"de": x}, [{"language": "de", "text": x}] or x."""
    wanted = (options.language, "en", "und")

    def read(raw: Any) -> str | None:
        if type(raw) is str:
            return raw
        found: dict[str, str] = {}
        for item in raw if type(raw) is list else [raw]:
            if type(item) is not dict or not all(type(text) is str for text in item.values()):
                raise Fault("M001", 'a text in languages, as [{"de": "..."}]')
            pairs = {item["language"]: item["text"]} if item.keys() == {"language", "text"} else item
            for language, text in pairs.items():
                found.setdefault(language, text)
        named = next((name for name in wanted if name in found), min(found, default=None))
        return None if named is None else found[named]

    language = options.language or facts.get("language", "und")
    return Transform(read, lambda value: [{language: value}])


def phases(column: Column, facts: Facts, options: Options) -> Transform:
    """Life-cycle phases as a list: one known phase is its stage, all of them are the total, anything else is 'other'."""
    words: Mapping[str, str] = facts["words"]
    stages = {word: stage for stage, word in words.items()}

    def read(raw: Any) -> str:
        phases = [raw] if type(raw) is str else raw
        if type(phases) is not list or not all(type(item) is str for item in phases):
            raise Fault("M001", "a list of life-cycle phases")
        if len(phases) == 1:
            return stages.get(phases[0], "other")
        return "total" if phases and set(phases) == set(stages) else "other"

    def write(value: str) -> list[str] | None:
        if value == "total":
            return list(words.values())
        return [words[value]] if value in words else None

    return Transform(read, write)
