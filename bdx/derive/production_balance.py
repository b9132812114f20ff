"""From finished batteries up to the raw lots they hold: the share of every lot and piece, through all levels between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdx.derive.production_items import Plant
from bdx.derive.production_shares import Shares

_FINE = 1e-12
"""A share below this is noise of dividing, and is not followed."""


@dataclass(frozen=True, slots=True)
class Held:
    """What batteries hold, one place each in all arrays: which battery (by its place in the question), through which edge."""

    battery: Any
    edge: Any
    mass: Any
    """Mass in kg; NaN where it cannot be told."""
    estimated: Any

    def __len__(self) -> int:
        return len(self.battery)

    def take(self, places: Any) -> Held:
        """Return some of the places."""
        return Held(self.battery[places], self.edge[places], self.mass[places], self.estimated[places])


@dataclass(frozen=True, slots=True)
class Balance:
    """`materials` are the lots and pieces nothing is known to be in, `parts` the pieces built into a battery or its parts.

    `guesses` are the edges that were not followed because they are guesses of their step.
    """

    materials: Held
    parts: Held
    guesses: Held


def balance(plant: Plant, shares: Shares, finished: Any, vapours: Any) -> Balance:
    """Return what the finished items hold, level by level up the genealogy; `vapours` are items that do not stay in a product.

    All batteries go up together: a frontier of (battery, item, share), each pair once, so that work grows with what is
    held and not with the number of ways that lead there.
    """
    graph = plant.graph
    nodes = len(graph.ids)
    wholes = graph.is_kind("pack", "module")
    battery, item = np.arange(len(finished)), np.asarray(finished, np.int64)
    weight, unsure = np.ones(len(item)), np.zeros(len(item), bool)
    materials, parts, guesses = [], [], []
    while len(battery):
        places = graph.up.places(item) if len(item) else item
        counts = graph.up.starts[item + 1] - graph.up.starts[item]
        edges, back = graph.up.edges[places], np.repeat(np.arange(len(item)), counts)
        guesses.append(_held(battery[back], edges, np.nan, True, shares.guessed[edges]))
        kept = shares.used[edges]
        edges, back = edges[kept], back[kept]
        source = graph.edges.source[edges]
        share = weight[back] * shares.share[edges]
        guess = unsure[back] | shares.estimated[edges]
        built = plant.piece[source] & wholes[graph.edges.target[edges]] & graph.gathers[edges]
        parts.append(_held(battery[back], edges, share, guess, built))
        mass = weight[back] * shares.mass[edges]
        material = shares.last[edges] & ~vapours[source]
        materials.append(_held(battery[back], edges, mass, unsure[back] | shares.guessed_mass[edges], material))
        goes_on = ~shares.last[edges] & ~vapours[source] & (share > _FINE)
        battery, item, weight, unsure = _gathered(battery[back][goes_on], source[goes_on], share[goes_on], guess[goes_on], nodes)
    return Balance(*(_joined(held) for held in (materials, parts, guesses)))


def _held(battery: Any, edge: Any, mass: Any, estimated: Any, which: Any) -> Held:
    count = len(battery)
    columns = (battery, edge, np.broadcast_to(mass, count), np.broadcast_to(estimated, count))
    return Held(*(column[which] for column in columns))


def _gathered(battery: Any, item: Any, weight: Any, unsure: Any, nodes: int) -> tuple[Any, Any, Any, Any]:
    """Return each pair of battery and item once, in the order first met, its shares added up."""
    pairs, first, back = np.unique(battery * nodes + item, return_index=True, return_inverse=True)
    back = back.reshape(-1)
    if len(pairs) == len(battery):
        return battery, item, weight, unsure
    order = np.argsort(first, kind="stable")
    places = first[order]
    summed, guessed = np.bincount(back, weight, minlength=len(pairs)), np.bincount(back, unsure, minlength=len(pairs)) > 0
    return battery[places], item[places], summed[order], guessed[order]


def _joined(held: Iterable[Held]) -> Held:
    """Return all levels in one, battery by battery, within a battery in the order met."""
    some = list(held)
    if not some:
        return Held(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
    joined = Held(*(np.concatenate([getattr(one, name) for one in some]) for name in ("battery", "edge", "mass", "estimated")))
    return joined.take(np.argsort(joined.battery, kind="stable"))


@dataclass(frozen=True, slots=True)
class Lots:
    """Materials per battery and lot, one place each in all arrays."""

    battery: Any
    item: Any
    mass: Any
    estimated: Any
    unknown: Any
    """Whether some of the lot went in without a mass that can be told."""
    edge: Any
    """The edge through which the lot was met first."""
    edges: Any
    """How many edges it came through."""


def by_lot(plant: Plant, held: Held) -> Lots:
    """Return the materials held, those of one lot in one battery added up, battery by battery in the order met."""
    item = plant.graph.edges.source[held.edge].astype(np.int64)
    pairs, first, back = np.unique(held.battery * len(plant.graph.ids) + item, return_index=True, return_inverse=True)
    back, count = back.reshape(-1), len(pairs)
    order = np.argsort(first, kind="stable")
    places = first[order]
    unknown = np.isnan(held.mass)

    def total(values: Any) -> Any:
        return np.bincount(back, values, minlength=count)[order]

    mass = total(np.nan_to_num(held.mass))
    estimated, missing = total(held.estimated & ~unknown) > 0, total(unknown) > 0
    return Lots(held.battery[places], item[places], mass, estimated, missing, held.edge[places], total(np.ones(len(item))).astype(np.int64))
