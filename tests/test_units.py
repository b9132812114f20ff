"""Units are exact, closed and refuse to guess."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdx import units
from bdx.errors import MappingError

NAMES = sorted({unit.name for unit in units._table().values()})
PAIRS = [(a, b) for a in NAMES for b in NAMES if units.unit(a).quantity == units.unit(b).quantity]


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (4200.0, "mV", "V", 4.2),
        (1.0, "mAs", "Ah", 1 / 3_600_000),
        (3_600_000.0, "mAs", "Ah", 1.0),
        (1.0, "kwH", "Wh", 1000.0),
        (32.0, "degF", "degC", 0.0),
        (212.0, "°F", "degC", 100.0),
        (273.15, "K", "degC", 0.0),
        (1.0, "h", "s", 3600.0),
        (0.5, "fraction", "percent", 50.0),
        (5.3, "unit:partPerMillion", "percent", 0.00053),
    ],
)
def test_known_conversions(value: float, source: str, target: str, expected: float) -> None:
    assert units.convert(value, source, target) == pytest.approx(expected, rel=1e-14, abs=1e-12)


@given(st.sampled_from(PAIRS), st.fractions(max_denominator=10**6))
def test_there_and_back_is_exact(pair: tuple[str, str], value: Fraction) -> None:
    (a, b), (c, d) = units.factor(*pair), units.factor(*reversed(pair))
    assert (value * a + b) * c + d == value


@given(st.decimals(min_value=0, max_value=10**6, places=6))
def test_decimals_stay_decimal(value: Decimal) -> None:
    assert units.convert_decimal(value, "gCO2e/kWh", "kgCO2e/kWh") == value / 1000


@pytest.mark.parametrize(("source", "target"), [("furlong", "m"), ("V", "A"), ("MAh", "Ah"), ("", "V")])
def test_what_is_not_known_is_refused(source: str, target: str) -> None:
    with pytest.raises(MappingError):
        units.factor(source, target)


def test_refusal_names_the_nearest() -> None:
    with pytest.raises(MappingError, match="did you mean 'mAh'"):
        units.factor("mAhh", "Ah")
