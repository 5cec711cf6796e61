"""The faults of a run, and their random choice by a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tests.campaign.points import Point, PointKind, Side
from tests.campaign.systems.desk import WITHIN
from tests.campaign.systems.folio_desk import CALL_FAULTS as FOLIO_FAULTS
from tests.campaign.systems.koha_desk import CALL_FAULTS as KOHA_FAULTS
from tests.campaign.systems.server import Kind as SystemKind

KILLED, KILLED_DURING = "worker killed", "worker killed during a call"
TWINS, ABANDONED, ABANDONED_ALONE = (
    "two writers",
    "abandoned worker continues",
    "abandoned worker continues without its connections",
)
RESTARTED, FROZEN, REFUSES = "server restarted", "server frozen", "server refuses connections"
EXPIRED, PEOPLE = "token expired", "people act at that moment"
OF_CALLS = "of several calls"
"""Stands for faults of single calls: an answer is lost, and so on."""
TERMINATED, LOCK = "all connections to the ledger terminated", "connection of the lock terminated"

WEIGHTS: Mapping[str, int] = {
    KILLED: 30,
    KILLED_DURING: 8,
    TWINS: 8,
    ABANDONED: 4,
    ABANDONED_ALONE: 8,
    RESTARTED: 8,
    FROZEN: 2,
    REFUSES: 2,
    EXPIRED: 8,
    PEOPLE: 12,
    OF_CALLS: 45,
    TERMINATED: 5,
    LOCK: 5,
}
AT_REQUESTS = (RESTARTED, FROZEN, EXPIRED, PEOPLE)
WITHOUT_POINT = (TWINS, REFUSES, OF_CALLS)
CALL_RATE = 0.5
KINDS: tuple[PointKind, ...] = ("statement", "commit", "request", "call")
SIDES: tuple[Side, ...] = ("before", "after")


@dataclass(frozen=True)
class Fault:
    """A fault of one run; `seconds` is how long it lasts. `of_calls` has a fault, or None, for each of its calls."""

    kind: str
    point: Point | None
    seconds: float
    is_long: bool
    of_calls: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.point or ''}".rstrip()


def draw(random: Random, system: SystemKind, *, due: int, reads: bool) -> Fault:
    """Draws a fault of a run that has so many events to write. A point may still be beyond the end of the run."""
    kind = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    at: PointKind = random.choices(KINDS, [2, 3, 4, 6 if due else 0])[0]
    if kind in AT_REQUESTS:
        at = random.choice(("request", "call")) if due else "request"
    if kind == KILLED_DURING:
        at = "call"
    limits = {"statement": 10 + 4 * due + 80 * reads, "commit": 2 + 2 * due + 4 * reads, "call": max(1, due)}
    number, side = random.randint(1, limits.get(at, 1 + 2 * due + 5 * reads)), random.choice(SIDES)
    if kind in (KILLED_DURING, EXPIRED, RESTARTED, FROZEN):
        side = "before"
    point = None if kind in WITHOUT_POINT else Point(at, number, side)
    choices = [WITHIN, *(FOLIO_FAULTS if system == "folio" else KOHA_FAULTS)]
    of_calls = tuple(random.choice(choices) if random.random() < CALL_RATE else None for _ in range(due + 2))
    return Fault(kind, point, random.uniform(0.02, 0.3), random.random() < 0.4, of_calls if kind == OF_CALLS else ())
