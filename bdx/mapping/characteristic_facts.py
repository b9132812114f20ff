"""The description of a Q-DAS file -> what every value of a characteristic has in common, ready to be taken by its number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bdx import units
from bdx.canon import dumps
from bdx.errors import MappingError
from bdx.mapping import Context, vocabulary
from bdx.mapping.characteristic_groups import Groups
from bdx.mapping.numbers import Scale
from bdx.mapping.segment_values import Remarks
from bdx.mapping.vocabulary import UNKNOWN_PARAMETER
from bdx.spec import Facts

RESULT = "quality_result"


@dataclass(slots=True)
class PartFacts:
    """One part of a section: its fields, and the production step they speak of ("" where they speak of none)."""

    section: int
    index: int
    fields: dict[str, str]
    step: str = ""
    told: bool = False


@dataclass(slots=True)
class Characteristic:
    """One characteristic: the columns that all its values share, and what is told once, with the first of them."""

    section: int
    index: int
    part: PartFacts
    fields: dict[str, str]
    texts: dict[str, str | None] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    code: str = vocabulary.OTHER
    unit: str | None = None
    scale: Scale | None = None
    fault: str = ""
    group: str | None = None
    counting: bool = False
    subgroup: int = 0
    once: str = ""

    @property
    def name(self) -> str:
        """The characteristic in the words of the source."""
        return self.texts["characteristic_name_raw"] or str(self.index)


class Description:
    """All parts and characteristics of a source, in the order of the file; unknown ones are added as they are met."""

    def __init__(self, value: Mapping[str, Any], facts: Facts, context: Context) -> None:
        self.facts = facts
        self.context = context
        self.remarks = Remarks()
        self.prefix = value["values"]
        self.parts: list[PartFacts] = []
        self.all: list[Characteristic] = []
        self.places: dict[int, int] = {}
        self.first_part: dict[int, PartFacts] = {}
        self.undescribed = 0
        self.files: list[dict[str, str]] = []
        for number, section in enumerate(value["sections"]):
            self._section(number, section)

    def place(self, section: int, index: int) -> int:
        """Return the number of a characteristic; one that nothing describes is added under its index.

        Raises: MappingError for more of those than any file has.
        """
        key = section * (1 << 32) + index
        if key not in self.places:
            self.undescribed += 1
            if self.undescribed > self.facts["limits"]["undescribed"]:
                raise MappingError(
                    f"{self.context.source}: values of more than {self.undescribed - 1:,} characteristics that nothing describes"
                )
            part = self.first_part.get(section) or self._part(section, 1, {})
            self._add(section, index, part, {}, {index: str(index)}, None)
        return self.places[key]

    def _section(self, number: int, section: Mapping[str, Any]) -> None:
        self.files.append(section["file"])
        before = len(self.all)
        parts = {index: self._part(number, index, dict(fields)) for index, fields in section["parts"].items()}
        said = section["characteristics"]
        names = {
            index: first(entry["fields"], self.facts["texts"]["characteristic_name_raw"]) or str(index) for index, entry in said.items()
        }
        groups = Groups(section, self.facts["groups"])
        for index, entry in said.items():
            self._add(number, index, parts[entry["part"]], dict(entry["fields"]), names, groups)
        if groups.broken:
            self.context.log.find("F233", source=self.context.source, count=len(groups.broken), value=groups.broken[0])
        self._once(self.all[before:], section)

    def _part(self, section: int, index: int, fields: dict[str, str]) -> PartFacts:
        part = PartFacts(section, index, fields)
        if any(fields.get(name) for name in self.facts["speaks"]["fields"]):
            part.step = f"{self.context.source_id}:part-{len(self.parts) + 1}"
        self.parts.append(part)
        self.first_part.setdefault(section, part)
        return part

    def _add(
        self, section: int, index: int, part: PartFacts, fields: dict[str, str], names: Mapping[int, str], groups: Groups | None
    ) -> None:
        found = Characteristic(section, index, part, fields)
        both = {**part.fields, **fields}
        found.texts = {column: first(both, named) for column, named in self.facts["texts"].items()}
        found.texts |= {column: first(part.fields, named) for column, named in self.facts["part"].items()}
        found.texts["unit_raw"] = found.texts["unit_raw"] or self._unit_of_catalogue(section, fields)
        found.counting = fields.get("K2004", "") in self.facts["kinds"]["attribute"]
        found.subgroup = self._subgroup(fields)
        found.group = groups.path(index, names) if groups is not None else None
        self._meaning(found)
        self._numbers(found)
        self.places[section * (1 << 32) + index] = len(self.all)
        self.all.append(found)

    def _meaning(self, found: Characteristic) -> None:
        """Set canonical code and unit; what is odd about the unit is told with the number of values it concerns."""
        words = (found.fields.get(name) for name in self.facts["texts"]["characteristic_name_raw"])
        named = (vocabulary.parameter(word) for word in words if word)
        known = next((parameter for parameter in named if parameter is not None), UNKNOWN_PARAMETER)
        found.code = known.code
        raw = (found.texts["unit_raw"] or "").strip()
        if found.counting:
            return
        if not raw:
            found.fault = "M042"
            return
        try:
            written = units.unit(raw)
        except MappingError:
            found.fault = "M043"
            return
        wanted = units.unit(known.unit) if known.unit else written
        if written.quantity != wanted.quantity:
            found.fault, wanted = "M044", written
        found.unit = wanted.name
        if wanted.name != written.name:
            found.scale = Scale(*units.factor(written.name, wanted.name))

    def _numbers(self, found: Characteristic) -> None:
        for column, name in self.facts["numbers"].items():
            value = self._number(found, name)
            if value is not None:
                found.numbers[column] = value
        nominal = found.fields.get(self.facts["numbers"]["nominal"], "")
        for column, name in self.facts["allowances"].items():
            if column in found.numbers or not found.fields.get(name) or not nominal:
                continue
            base, allowance = _decimal(nominal), _decimal(found.fields[name])
            if base is not None and allowance is not None:
                found.numbers[column] = self._scaled(found, base + allowance)
                self.remarks.note("F231", RESULT, column, found.name, f"K2001/{found.index}")

    def _number(self, found: Characteristic, name: str) -> float | None:
        text = found.fields.get(name, "").strip()
        if not text:
            return None
        value = _decimal(text)
        if value is None:
            self.remarks.note("F232", RESULT, name, text, f"{name}/{found.index}")
            return None
        return self._scaled(found, value)

    def _scaled(self, found: Characteristic, value: float) -> float:
        return value if found.scale is None else float(units.convert(value, str(found.texts["unit_raw"]).strip(), str(found.unit)))

    def _unit_of_catalogue(self, section: int, fields: Mapping[str, str]) -> str | None:
        number = fields.get(self.facts["unit"]["number"], "").strip()
        return self.files[section].get(f"{self.facts['unit']['entry']}/{number}") if number else None

    def _subgroup(self, fields: Mapping[str, str]) -> int:
        facts = self.facts["subgroup"]
        size = fields.get(facts["size"], "").strip()
        return int(size) if size.isdecimal() and len(size) < 9 and fields.get(facts["kind"], "") in facts["fixed"] else 0

    def _once(self, added: list[Characteristic], section: Mapping[str, Any]) -> None:
        """Set what the first value of each characteristic tells of it, of its part and of the file."""
        file = {name: text for name, text in section["file"].items() if name != "K0100" and not self._dropped(name, text)}
        told = False
        for found in added:
            once: dict[str, Any] = {"characteristic": {"index": found.index, **self._kept(found.fields, "texts")}}
            if not found.part.told:
                found.part.told = True
                once["part"] = {"index": found.part.index, **self._kept(found.part.fields, "part")}
                groups = {str(index): entry for index, entry in section["groups"].items() if entry["part"] == found.part.index}
                if groups:
                    once["groups"] = {index: entry["fields"] for index, entry in groups.items()}
            if not told and (file or section["nodes"]):
                once["file"] = file | ({"nodes": [list(node) for node in section["nodes"]]} if section["nodes"] else {})
            told = True
            found.once = dumps(once)[1:-1]

    def _kept(self, fields: Mapping[str, str], columns: str) -> dict[str, str]:
        """Return the fields that no column holds as they are written; people are left out and counted."""
        held = {next((name for name in named if fields.get(name)), "") for named in self.facts[columns].values()}
        # The gauge of a characteristic stays beside the column: a value may name another one.
        held -= set(self.facts["texts"]["gage_id"])
        return {name: text for name, text in fields.items() if name not in held and not self._dropped(name, text)}

    def _dropped(self, name: str, text: str) -> bool:
        facts = self.facts["personal"]
        if name not in facts["fields"] and not name.startswith(tuple(facts["catalogues"])):
            return False
        if text and name not in facts["carried"]:
            self.context.log.lose(self.context.source, name.partition("/")[0], "names a person")
        return True


def first(fields: Mapping[str, str], names: Iterable[str]) -> str | None:
    """Return the first text of some fields that says something, without blanks around it."""
    return next((text.strip() for text in (fields.get(name, "") for name in names) if text.strip()), None)


def _decimal(text: str) -> float | None:
    """Return the number of a text with a point or a comma, None where it is none or not finite."""
    try:
        number = float(text.strip().replace(",", ".") if text.count(",") == 1 and "." not in text else text.strip())
    except ValueError:
        return None
    return number if number - number == 0 and "_" not in text else None
