"""Masks over identifiers of batteries and their records: GS1 Digital Links, item codes, UUIDs, and codes of goods carried along."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from bdx.identifiers import goods, gs1, web
from bdx.rules.checks import Mask, Told
from bdx.rules.register import check
from bdx.rules.view import View, texts_of
from bdx.spec import Column

_KEYED = r"(?i)^\s*https?://[^?#]*/(?:00|01|414|417|8003|8004|8006|8010|8013)/[^/?#]"
_PLAIN = r"^https://[^/?#\sA-Z]+(?:/[^?#\s/]+)*?/01/(?P<gtin>[0-9]{14})(?:/10/[A-Za-z0-9._-]{1,20})?/21/(?P<serial>[A-Za-z0-9._-]{1,20})$"
"""How nearly all links are written: what matches it has a sound grammar, only the check digit is left to judge."""


def _is_text(column: Column) -> bool:
    return column.type == "string"


def _told(texts: pa.Array, among: pa.Array | None, name: str, say: Callable[[str], str]) -> Told:
    """Return where `say` has words about a text that `among` holds, asked once per distinct text, and these words."""
    asked = texts if among is None else texts.filter(among)
    words = {text: word for text in pc.unique(asked).to_pylist() if text is not None and (word := say(text))}
    if not words:
        return None
    place = pc.index_in(texts, pa.array(list(words), pa.string()))
    return pc.is_valid(place), {name: pa.array(list(words.values()), pa.string()).take(place)}


def _plain(view: View, texts: pa.Array) -> pa.StructArray:
    """Return GTIN and serial number of the links that are written plainly, null for all else; read once for all rules."""
    return view.once(("plain", id(texts)), lambda: pc.extract_regex(texts, _PLAIN))


def _unusual(view: View, texts: pa.Array) -> pa.BooleanArray | None:
    """Return where a text is a Digital Link that is not written plainly; None where none is."""

    def found() -> pa.BooleanArray | None:
        rest = pc.is_null(_plain(view, texts))
        if not rest.true_count:
            return None
        keyed = pc.and_(rest, pc.match_substring_regex(texts, _KEYED).fill_null(fill_value=False))
        return keyed if keyed.true_count else None

    return view.once(("unusual", id(texts)), found)


# --- GS1 Digital Link


@check("bad_product_link")
def bad_product_link(now: pa.Array, view: View) -> Told:
    """Return where a GS1 Digital Link holds a GTIN of wrong length or check digit."""
    plain = pc.struct_field(_plain(view, now), "gtin")
    bad = [text for text in pc.unique(plain).to_pylist() if text and not gs1.gtin_ok(text)]
    mask = pc.is_in(plain, pa.array(bad, pa.string())) if bad else None
    rest = _unusual(view, now)
    if rest is None:
        return mask
    odd = [text for text in pc.unique(now.filter(rest)).to_pylist() if _bad_gtin(text)]
    if not odd:
        return mask
    found = pc.is_in(now, pa.array(odd, pa.string()))
    return found if mask is None else pc.or_(mask, found)


def _bad_gtin(text: str) -> bool:
    gtin = gs1.link_gtin(text)
    return gtin is not None and not (len(gtin) == 14 and gs1.gtin_ok(gtin))


@check("bad_digital_link", applies=_is_text)
def bad_digital_link(now: pa.Array, view: View) -> Told:
    """Return where a GS1 Digital Link does not follow its grammar, and what is wrong; the GTIN of a product has its own rule."""
    rest = _unusual(view, now)
    return None if rest is None else _told(now, rest, "fault", _link_faults)


def _link_faults(text: str) -> str:
    link = gs1.parse_link(text)
    if link is None:
        return ""
    found = gs1.faults(link)
    return "; ".join(item for item in found if link.key != "01" or "GTIN" not in item or "qualifier" in item)


@check("link_spelling", applies=_is_text)
def link_spelling(now: pa.Array, view: View) -> Told:
    """Return where a sound GS1 Digital Link is not spelled as the standard writes it, and that spelling."""
    rest = _unusual(view, now)
    return None if rest is None else _told(now, rest, "normal", _other_spelling)


def _other_spelling(text: str) -> str:
    link = gs1.parse_link(text)
    if link is None or gs1.faults(gs1.normal_link(link)):
        return ""
    normal = gs1.build_link(gs1.normal_link(link))
    return "" if normal == text.strip() else normal


@check("link_names_no_battery")
def link_names_no_battery(now: pa.Array, view: View, level: pa.Array | None = None) -> Mask:
    """Return where a GS1 Digital Link names a product, company or place, and no single battery; records of models and batches may."""
    rest = _unusual(view, now)
    if rest is None:
        return None
    odd = [text for text in pc.unique(now.filter(rest)).to_pylist() if _names_no_item(text)]
    found = pc.is_in(now, pa.array(odd, pa.string()))
    return found if level is None else pc.and_not(found, pc.is_in(level, texts_of(("model", "batch"))))


def _names_no_item(text: str) -> bool:
    link = gs1.parse_link(text)
    return link is not None and not link.serial and link.key not in ("8003", "8004")


@check("other_serial")
def other_serial(now: pa.Array, link: pa.Array, view: View) -> Mask:
    """Return where the serial number in a GS1 Digital Link is another than the column's."""
    serial = pc.struct_field(_plain(view, link), "serial")
    odd = _unusual(view, link)
    if odd is not None:
        pairs = zip(link.to_pylist(), odd.to_pylist(), strict=True)
        texts = [(gs1.link_serial(text) or None) if text and there else None for text, there in pairs]
        serial = pc.coalesce(serial, pa.array(texts, pa.string()))
    return pc.and_(pc.not_equal(now, serial), pc.greater(pc.binary_length(now), 0))


# --- other identifiers of items and records


@check("bad_item_code", applies=_is_text, texts=True)
def bad_item_code(now: pa.Array) -> Told:
    """Return where an ISO/IEC 15459 identifier, known by its data identifier, does not follow its grammar, and why."""
    begun = pc.match_substring_regex(now, r"^\s*(?:\[\)>|25[SPT][0-9A-Z]{2}[0-9A-Za-z./-]{6})")

    def say(text: str) -> str:
        code = goods.item_code(text)
        return "; ".join(goods.item_code_faults(code)) if code else ""

    return _told(now, begun, "fault", say) if begun.true_count else None


@check("bad_identification_link", applies=_is_text, texts=True)
def bad_identification_link(now: pa.Array) -> Told:
    """Return where an http address cannot be an identification link, and why."""
    sound = r"^(?:[^hH]|https?://[A-Za-z0-9.:-]{1,100}(?:[/?#][A-Za-z0-9._~:/?#!$&'()*+,;=-]{0,140})?$)"
    rest = pc.invert(pc.match_substring_regex(now, sound)).fill_null(fill_value=False)
    return _told(now, rest, "fault", lambda text: "; ".join(web.identification_link_faults(text))) if rest.true_count else None


@check("uuid_undefined", applies=_is_text, texts=True)
def uuid_undefined(now: pa.Array) -> Mask:
    """Return where a UUID has no version and variant of RFC 9562, or is the nil or the max UUID."""
    form = r"(?i)^\s*(?:urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\s*$"
    sound = r"(?i)^\s*(?:urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab]"
    weak = pc.and_not(pc.match_substring_regex(now, form), pc.match_substring_regex(now, sound)).fill_null(fill_value=False)
    return weak if weak.true_count else None


@check("names_nothing", applies=_is_text, texts=True)
def names_nothing(now: pa.Array) -> Mask:
    """Return where a text is the nil or the max UUID."""
    begun = pc.match_substring_regex(now, r"(?i)(?:0{8}-0{4}|f{8}-f{4})").fill_null(fill_value=False)
    if not begun.true_count:
        return None
    return pc.is_in(now, pa.array([text for text in pc.unique(now.filter(begun)).to_pylist() if web.nothing_named(text)], pa.string()))


# --- codes of goods, carried along by the models that have them

_CODE = r'"key":\s*"(?i:%s)[^"]*",\s*"value":\s*"(?P<code>[^"]+)"'


def _carried(extra: pa.Array, schemes: str) -> pa.Array:
    """Return the first code of one of the schemes among what a document holds and the tables do not."""
    return pc.struct_field(pc.extract_regex(extra, _CODE % schemes), "code")


@check("bad_commodity_code", texts=True)
def bad_commodity_code(now: pa.Array, *, schemes: str, heading: str) -> Told:
    """Return where a customs code is malformed or of another heading than `heading`, and the code."""
    codes = _carried(now, schemes)
    return _coded(codes, lambda text: not goods.commodity(text).startswith(heading))


@check("commodity_of_other_chemistry")
def commodity_of_other_chemistry(
    now: pa.Array, chemistry: pa.Array, view: View, facts: Column, *, schemes: str, headings: tuple[str, ...]
) -> Told:
    """Return where a customs code stands for another chemistry, and the code; `headings` holds "850760 regular expression"."""
    coded = view.coded(facts.name)
    codes = _carried(now, schemes) if coded is None else _carried(coded.dictionary, schemes).take(coded.indices)
    if codes.null_count == len(codes):
        return None
    pairs = pc.binary_join_element_wise(codes, chemistry, "\x1f")
    rules = {text[:6]: re.compile(text[7:], re.IGNORECASE) for text in headings}

    def bad(pair: str) -> bool:
        code, _, name = pair.partition("\x1f")
        heads = [head for head, form in rules.items() if form.search(name)]
        digits = goods.commodity(code)[:6]
        return bool(heads) and digits in rules and digits not in heads

    odd = [text for text in pc.unique(pairs).to_pylist() if text and bad(text)]
    return (pc.is_in(pairs, pa.array(odd, pa.string())), {"number": codes}) if odd else None


@check("bad_trade_item_number", texts=True)
def bad_trade_item_number(now: pa.Array, *, schemes: str) -> Told:
    """Return where a number carried along as GTIN has a wrong length or check digit, and the number."""
    return _coded(_carried(now, schemes), lambda text: not gs1.gtin_ok(text.strip()))


def _coded(codes: pa.Array, bad: Callable[[str], bool]) -> Told:
    odd = [text for text in pc.unique(codes).to_pylist() if text and bad(text)]
    return (pc.is_in(codes, pa.array(odd, pa.string())), {"number": codes}) if odd else None
