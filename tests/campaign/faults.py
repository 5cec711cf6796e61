"""The faults of an attempt, and their random choice by a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.campaign.points import KINDS, Point, PointKind, Side

Kind = Literal[
    "worker killed",
    "all connections to the ledger terminated",
    "connection of the lock terminated",
    "PostgreSQL stopped",
    "PostgreSQL stopped immediately",
    "PostgreSQL killed",
    "server killed",
    "server frozen for a moment",
    "server frozen",
    "server refuses connections",
    "server's disk full",
    "connection dropped before an act",
    "connection dropped after an act",
    "worker's disk full",
    "abandoned worker continues",
    "abandoned worker continues without its connections",
    "two workers of one stage",
    "the bursar acts at that moment",
]

WEIGHTS: Mapping[Kind, int] = {
    "worker killed": 40,
    "all connections to the ledger terminated": 8,
    "connection of the lock terminated": 20,
    "PostgreSQL stopped": 1,
    "PostgreSQL stopped immediately": 1,
    "PostgreSQL killed": 1,
    "server killed": 4,
    "server frozen for a moment": 2,
    "server frozen": 1,
    "server refuses connections": 2,
    "server's disk full": 4,
    "connection dropped before an act": 8,
    "connection dropped after an act": 8,
    "worker's disk full": 10,
    "abandoned worker continues": 5,
    "abandoned worker continues without its connections": 5,
    "two workers of one stage": 8,
    "the bursar acts at that moment": 15,
}

AT_SERVER = ("recover", "upload", "resend", "detect", "load_file", "archive")
"""The stages that open a connection to the bursar's server."""

SENDS = ("recover", "upload", "resend")
WRITES_FILES = ("build", "upload", "load_file", "archive")
AT_REQUESTS: tuple[Kind, ...] = (
    "server killed",
    "server frozen for a moment",
    "server frozen",
    "server's disk full",
    "connection dropped before an act",
    "connection dropped after an act",
    "the bursar acts at that moment",
)
WITHOUT_POINT: tuple[Kind, ...] = ("server refuses connections", "worker's disk full", "two workers of one stage")
MAX_FILE_LIMIT = 15_000  # bytes
SIDES: tuple[Side, ...] = ("before", "after")

Acts = Mapping[str, Mapping[PointKind, int]]
"""The number of acts of each kind that a stage has without a fault."""


@dataclass(frozen=True)
class Fault:
    """The fault of one attempt of a stage, at a point of it or from its start.

    `seconds` is the time until the repair. With `alongside`, an abandoned worker continues while its replacement works,
    otherwise after that.
    """

    kind: Kind
    point: Point | None = None
    file_limit: int | None = None
    seconds: float = 0
    alongside: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.point or ''}".rstrip()


def draw(random: Random, stage: str, acts: Acts, *, allowed: Mapping[Kind, int] = WEIGHTS) -> Fault:
    """Draws a fault for a stage. Each call draws equally often, so that the same seed gives the same faults."""
    at_server = stage in AT_SERVER
    possible = [
        kind
        for kind in allowed
        if (at_server or (kind not in AT_REQUESTS and kind != "server refuses connections"))
        and (stage in WRITES_FILES or kind != "worker's disk full")
        and (stage in SENDS or kind != "connection of the lock terminated")
    ]
    kind = random.choices(possible, [allowed[one] for one in possible])[0]
    seconds, alongside, limit = random.uniform(0.02, 0.6), random.random() < 0.5, random.randrange(MAX_FILE_LIMIT)
    position, side, which = random.random(), random.choice(SIDES), random.random()
    if kind in WITHOUT_POINT:
        return Fault(kind, file_limit=limit if kind == "worker's disk full" else None, seconds=seconds)
    counts = acts.get(stage, {})
    kinds = [one for one in KINDS if counts.get(one)] or ["statement"]
    at: PointKind = "request" if kind in AT_REQUESTS else kinds[int(which * len(kinds))]
    number = 1 + int(position * max(counts.get(at, 1), 1))
    if kind in AT_REQUESTS and kind != "the bursar acts at that moment":
        side = "before"
    return Fault(kind, Point(at, number, side), seconds=seconds, alongside=alongside)
