"""Cut and flip: whatever happens to the bytes of a fixture, only BdxError comes out."""

import random
from pathlib import Path

import pytest

from bdx.errors import BdxError
from bdx.pipeline.reading import ReadOptions, chunks, open_source

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
INPUTS = sorted(p for p in [*FIXTURES.glob("formats/*/*/input.*"), *FIXTURES.glob("world/*")] if p.is_file() and p.stat().st_size)
ROUNDS = 24


def mutations(data: bytes, seed: str) -> list[bytes]:
    """Return cuts (both ends, odd places) and flips (single bits, bytes, runs) of some bytes; the same each run."""
    dice = random.Random(seed)
    found = [data[:0], data[:1], data[: len(data) // 2], data[:-1], data[len(data) // 3 :]]
    for _ in range(ROUNDS):
        found.append(data[: dice.randrange(len(data))])
        flipped = bytearray(data)
        for _ in range(dice.choice((1, 1, 4, 32))):
            place = dice.randrange(len(flipped))
            flipped[place] = dice.choice((flipped[place] ^ (1 << dice.randrange(8)), 0, 255, dice.randrange(256)))
        found.append(bytes(flipped))
        start = dice.randrange(len(data))
        found.append(data[:start] + data[start + dice.randrange(1, 64) :])
    return found


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_only_bdx_errors_come_out(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for data in mutations(path.read_bytes(), path.name):
        broken.write_bytes(data)
        try:
            opened = open_source(str(broken), 1, ReadOptions())
            for _ in chunks(opened, ReadOptions()):
                pass
        except BdxError as error:
            assert "\n" not in str(error).strip(), "one line says where, what, expected"
