"""The order in which steps are told: families of nested steps together, children before the step they are part of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Numbers = np.ndarray[Any, Any]


def families(parents: pa.ChunkedArray, keys: pa.Array, deep: int, large: int) -> tuple[Numbers, Numbers, int]:
    """Return steps in the order they are told, the parent each is nested in (-1: none), and how many parents are left out.

    A parent is left out where it is not among the steps, part of a loop, or its family is too deep or too large to nest.
    """
    count = len(keys)
    order = np.arange(count)
    if parents.null_count == len(parents):
        return order, np.full(count, -1), 0
    found = pc.fill_null(pc.index_in(parents, value_set=keys, skip_nulls=True), -1)
    parent = found.combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64).copy()
    lost = int((len(parents) - parents.null_count) - (parent >= 0).sum())
    top = _tops(parent)
    loops = top < 0
    depth = np.zeros(count, np.int64)
    here = np.where(loops, -1, parent)
    while (here >= 0).any() and depth.max() <= deep:
        depth += here >= 0
        here = np.where(here >= 0, parent[here], -1)
    sizes = np.bincount(top[~loops], minlength=count)
    flat = loops | (depth > deep)
    flat |= np.where(loops, False, sizes[np.where(loops, 0, top)] > large)
    lost += int((flat & (parent >= 0)).sum())
    parent[flat] = -1
    top = _tops(parent)
    first = np.full(count, count)
    np.minimum.at(first, top, np.arange(count))
    if not (parent >= 0).any():
        return order, parent, lost
    return _told(parent, first[top]), parent, lost


def _tops(parent: Numbers) -> Numbers:
    """Return the outermost step around each; -1 for steps of a loop, or below one."""
    here = np.arange(len(parent))
    above = parent.copy()
    for _ in range(64):
        climbing = above >= 0
        if not climbing.any():
            return here
        here = np.where(climbing, above, here)
        above = np.where(above >= 0, np.where(parent[above] >= 0, parent[above], -1), -1)
    return np.where(above >= 0, -1, here)


def _told(parent: Numbers, family: Numbers) -> Numbers:
    """Return the steps family by family, each after the steps nested in it, else in the order of the source."""
    children: dict[int, list[int]] = {}
    for step in np.flatnonzero(parent >= 0).tolist():
        children.setdefault(int(parent[step]), []).append(step)
    roots = np.flatnonzero(parent < 0)
    roots = roots[np.argsort(family[roots], kind="stable")]
    told: list[int] = []
    for root in roots.tolist():
        if root not in children:
            told.append(root)
            continue
        waiting, found = [root], []
        while waiting:
            step = waiting.pop()
            found.append(step)
            waiting.extend(children.get(step, ()))
        told.extend(reversed(found))
    return np.array(told, np.int64)
