"""Files as they come out of a bad transfer: cut short, single bytes turned."""

import random
from collections.abc import Iterator


def cut_and_flipped(data: bytes, seed: int, times: int) -> Iterator[bytes]:
    """Yield the data `times` over, three in ten of them cut, each with up to three bytes changed."""
    chance = random.Random(seed)
    for _ in range(times):
        broken = bytearray(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)
        for _ in range(chance.randrange(4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken)


def flipped_and_cut(data: bytes, seed: int, times: int, most: int) -> Iterator[bytes]:
    """Yield the data `times` over, each with one to `most` bytes changed, three in ten of them cut after that."""
    chance = random.Random(seed)
    for _ in range(times):
        broken = bytearray(data)
        for _ in range(chance.randrange(1, most + 1)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken[: chance.randrange(len(broken))]) if chance.random() < 0.3 else bytes(broken)
