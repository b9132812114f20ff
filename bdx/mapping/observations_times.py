"""Times of observations as text -> moments in UTC, a whole column at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bdx.errors import UsageError
from bdx.mapping.dates import wall_times, without_offset

_OFFSET = r"[0-9](?P<offset>Z|z|[+-][0-9]{2}:?[0-9]{2})$"
MOMENT = pa.timestamp("us", tz="UTC")


def moments(texts: pa.Array, zone: Any = None) -> tuple[pa.Array, pa.Array]:
    """Return moments and where their zone comes from: "offset", or "assumed" (the `zone` given, else UTC); null where unreadable.

    Digits beyond microseconds are cut.
    Raises: UsageError for a zone that does not exist.
    """
    texts = pc.utf8_trim_whitespace(texts)
    offsets = pc.dictionary_encode(pc.struct_field(pc.extract_regex(texts, _OFFSET), 0))
    micros = pa.array([_micros(text) for text in offsets.dictionary.to_pylist()], pa.int64()).take(offsets.indices)
    stamps = wall_times(without_offset(texts))
    stamps = pc.if_else(pc.match_substring(texts, ":"), stamps, pa.scalar(None, stamps.type))
    stated = micros.is_valid()
    shifted = pc.subtract(stamps.cast(pa.int64()), micros.fill_null(0))
    if zone and pc.any(pc.invert(stated)).as_py():
        try:
            local = pc.assume_timezone(stamps, str(zone), ambiguous="earliest", nonexistent="earliest").cast(pa.int64())
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise UsageError(f"'{zone}' is no time zone; expected an IANA name such as Europe/Berlin") from error
        shifted = pc.if_else(stated, shifted, local)
    basis = pc.if_else(stamps.is_valid(), pc.if_else(stated, pa.scalar("offset"), pa.scalar("assumed")), pa.scalar("unknown"))
    basis = pc.if_else(texts.is_valid(), basis, pa.scalar(None, pa.string()))
    return shifted.cast(MOMENT), basis


def first_of(mask: pa.Array) -> int:
    """Return the first row of a mask that is true; -1 where none is."""
    found = np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False))
    return int(found[0]) if len(found) else -1


def _micros(text: str | None) -> int | None:
    if not text:
        return None
    if text[0] not in "+-":
        return 0
    return (-1 if text[0] == "-" else 1) * (int(text[1:3]) * 3600 + int(text[-2:]) * 60) * 1_000_000
