"""Public identifiers: known good and bad ones, and promises that hold for all of them."""

from __future__ import annotations

import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdx.identifiers import companies, goods, gs1, substances, web
from bdx.rules.marks import marks
from bdx.rules.places import proposed

DIGITS = string.digits
SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
GTIN = "04012345000009"
keys = st.builds(lambda digits: digits + gs1.check_digit(digits), st.text(DIGITS, min_size=13, max_size=13))
serials = st.text(SET_82, min_size=1, max_size=20)


# --- GS1


@pytest.mark.parametrize("text", [GTIN, "4006381333931", "96385074", "036000291452"])
def test_sound_gtins(text: str) -> None:
    assert gs1.gtin_ok(text)


@pytest.mark.parametrize("text", ["", "04012345000008", "0401234500000", "0401234500000X", "٠٤٠١٢٣٤٥٠٠٠٠٠٩"])
def test_unsound_gtins(text: str) -> None:
    assert not gs1.gtin_ok(text)


def test_other_keys() -> None:
    assert gs1.gln_ok("4012345000009")
    assert not gs1.gln_ok("401234500000")
    assert gs1.sscc_ok("106141412345678908")
    assert not gs1.sscc_ok("106141412345678907")


@given(st.text(DIGITS, min_size=7, max_size=17), st.data())
def test_a_check_digit_finds_every_single_wrong_digit(digits: str, data: st.DataObject) -> None:
    whole = digits + gs1.check_digit(digits)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from(DIGITS).filter(lambda digit: digit != whole[place]))
    spoilt = whole[:place] + other + whole[place + 1 :]
    assert gs1.check_digit(spoilt[:-1]) != spoilt[-1]


@given(keys, serials, st.one_of(st.just(""), serials))
def test_a_built_link_is_read_as_it_was_meant(gtin: str, serial: str, batch: str) -> None:
    text = gs1.battery_link(gtin, serial, stem="https://id.example.com/de", batch=batch)
    link = gs1.parse_link(text)
    assert link is not None
    assert (link.stem, link.key, link.value, link.serial, link.batch) == ("https://id.example.com/de", "01", gtin, serial, batch)
    assert gs1.faults(link) == []
    assert gs1.build_link(link) == text == gs1.normalised(text)


@given(keys, serials, st.sampled_from(["https://id.example.com", "http://ID.Example.com/a/b", "https://a.example"]))
def test_a_canonical_link_is_the_same_on_every_host(gtin: str, serial: str, stem: str) -> None:
    text = gs1.battery_link(gtin, serial, stem=stem)
    assert gs1.canonical(text) == gs1.battery_link(gtin, serial)
    assert gs1.canonical(gs1.canonical(text)) == gs1.canonical(text)


@given(st.text(max_size=60))
def test_any_text_may_be_asked(text: str) -> None:
    link = gs1.parse_link(text)
    if link is None:
        assert gs1.normalised(text) == text
        assert gs1.canonical(text) == text.strip()
    for judge in (gs1.gtin_ok, substances.cas_ok, substances.ec_ok, web.did_ok, web.urn_ok, companies.names_lei, goods.traction_code_ok):
        assert judge(text) in (True, False)
    assert companies.declared(text)[1] == companies.declared(text)[1].strip()
    web.identification_link_faults(text)
    goods.item_code(text)


def test_links_in_their_parts() -> None:
    text = f"https://id.example.com/de/01/{GTIN}/10/B7/21/BX%2F1?17=271005&x=1#top"
    link = gs1.parse_link(text)
    assert link == gs1.Link("https://id.example.com/de", "01", GTIN, (("10", "B7"), ("21", "BX/1")), (("17", "271005"),), (("x", "1"),))
    assert gs1.link_gtin(text) == GTIN
    assert gs1.link_serial(text) == "BX/1"
    assert gs1.canonical(text) == f"https://id.gs1.org/01/{GTIN}/10/B7/21/BX%2F1?17=271005"
    assert gs1.parse_link("https://example.com/2026/01/04/report") is None
    assert gs1.link_serial("https://id.example.com/battery/21/7") is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("01/4012345000009/21/7", "GTIN has 13 digits, expected 14"),
        ("01/04012345000008/21/7", "GTIN has a wrong check digit, expected 9"),
        (f"01/{GTIN}/21/7/10/L", "qualifiers of GTIN stand in the order 22, 10, 21, 235, each once"),
        (f"01/{GTIN}/21/7/21/8", "qualifiers of GTIN stand in the order 22, 10, 21, 235, each once"),
        (f"01/{GTIN}/ser/7", "'ser' is no qualifier of GTIN"),
        (f"01/{GTIN}/21/" + "7" * 21, "serial number (21) has 21 characters, the most is 20"),
        (f"01/{GTIN}/21", "serial number (21) is empty or holds characters outside the set of GS1"),
        ("414/4012345000008", "GLN has a wrong check digit, expected 9"),
        ("00/10614141234567890X", "'10614141234567890X' is no SSCC"),
    ],
)
def test_faults_of_links(path: str, words: str) -> None:
    link = gs1.parse_link(f"https://id.example.com/{path}")
    assert link is not None
    assert gs1.faults(link) == [words]


# --- substances


@pytest.mark.parametrize("text", ["7439-93-2", "346417-97-8", "21324-40-3", "7440-02-0"])
def test_sound_cas_numbers(text: str) -> None:
    assert substances.kind_of(text) == "CAS"


@pytest.mark.parametrize("text", ["7439-93-3", "7439932", "1-93-2", "", "٧٤٣٩-٩٣-٢"])
def test_unsound_cas_numbers(text: str) -> None:
    assert not substances.cas_ok(text)


@given(
    st.tuples(st.text(DIGITS, min_size=3, max_size=3), st.text(DIGITS, min_size=3, max_size=3)), st.integers(0, 5), st.sampled_from(DIGITS)
)
def test_ec_numbers_find_every_single_wrong_digit(parts: tuple[str, str], place: int, other: str) -> None:
    digits = "".join(parts)
    check = sum(int(digit) * weight for weight, digit in enumerate(digits, 1)) % 11
    spoilt = digits[:place] + other + digits[place + 1 :]
    assert substances.ec_ok(f"{digits[:3]}-{digits[3:]}-{check}") is (check < 10)
    if check < 10 and other != digits[place]:
        assert not substances.ec_ok(f"{spoilt[:3]}-{spoilt[3:]}-{check}")


def test_ec_numbers() -> None:
    assert substances.kind_of("201-004-7") == "EC"
    assert not substances.ec_ok("201-004-8")
    assert not substances.ec_ok("2010047")


# --- companies


@given(
    st.text(DIGITS + string.ascii_uppercase, min_size=18, max_size=18), st.integers(0, 17), st.sampled_from(DIGITS + string.ascii_uppercase)
)
def test_legal_entity_identifiers_find_every_single_wrong_place(begin: str, place: int, other: str) -> None:
    whole = begin + companies.lei_check_digits(begin)
    assert companies.lei_ok(whole)
    if other != whole[place] and other.isdigit() == whole[place].isdigit():
        assert not companies.lei_ok(whole[:place] + other + whole[place + 1 :])


def test_company_numbers() -> None:
    assert companies.declared("urn:lei:529900T8BM49AURSDO55") == ("lei", "529900T8BM49AURSDO55")
    assert companies.partner_number("urn:bpn:id:BPNL00000000BX36") == "BPNL00000000BX36"
    assert companies.location_number("https://id.example.com/417/4012345000009") == "4012345000009"
    assert companies.eori_ok("DE123456789012345", ("DE",))
    assert not companies.eori_ok("CH123", ("DE",))
    assert companies.duns_ok("12-345-6789")
    assert not companies.duns_ok("12345678")


# --- web and goods


def test_uuids() -> None:
    assert web.uuid_version(web.uuid_of("urn:uuid:0B1C36AA-36b0-4d10-8a00-000000000042")) == 4
    assert web.uuid_version(web.uuid_of("00000000-0000-0000-0000-000000000000")) is None
    assert web.nothing_named("urn:uuid:00000000-0000-0000-0000-000000000000")
    assert not web.nothing_named("urn:bx36:0")
    assert web.uuid_of("0b1c36aa36b04d108a00000000000042") == ""


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("https://id.example.com/b?x=1", 0),
        ("urn:x:1 2", 0),
        ("https://id.example.com/a b", 1),
        ("https://", 1),
        ("https://u@h.example/" + "a" * 240, 2),
    ],
)
def test_identification_links(text: str, count: int) -> None:
    assert len(web.identification_link_faults(text)) == count


def test_item_codes() -> None:
    code = goods.item_code("[)>\x1e06\x1d25SUN123456789BX36-42\x1e\x04")
    assert code == goods.ItemCode("25S", "UN", "123456789BX36-42")
    assert goods.item_code_faults(code) == []
    assert goods.item_code("BX36-000042") is None
    assert len(goods.item_code_faults(goods.ItemCode("25S", "", "v1"))) == 2


def test_commodity_codes() -> None:
    assert goods.commodity("8507 60 00 90") == "8507600090"
    assert goods.commodity("8507.60") == "850760"
    assert goods.commodity("85076") == ""


# --- countries, languages, marks


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Germany", "DE"),
        ("deutschland ", "DE"),
        ("GER", "DE"),
        ("Atlantis", ""),
        ("DEU", "DE"),
        ("U.S.A.", "US"),
        ("uk", "GB"),
        ("de", "DE"),
    ],
)
def test_countries_by_name(text: str, code: str) -> None:
    assert proposed("country", text) == code


@given(st.lists(st.one_of(st.none(), st.text(max_size=120)), max_size=30), st.integers(0, 5))
def test_marks_are_those_of_the_text_whatever_the_array(texts: list[str | None], start: int) -> None:
    whole = marks(pa.array(texts, pa.string()))
    for number, text in enumerate(texts):
        assert whole[number] == marks(pa.array([text], pa.string()))[0]
        assert bool(whole[number] == 0) is (text is None)
    assert (marks(pa.array(texts, pa.string()).slice(start)) == whole[start:]).all()
    known = {text: mark for text, mark in zip(texts, whole, strict=True) if text is not None}
    assert len(set(known.values())) == len(known)
