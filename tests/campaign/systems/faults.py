"""The faults of a run, and their random choice by a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tests.campaign.points import Point, PointKind, Side
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
EXPIRED, PEOPLE, WITHIN = "token expired", "people act at that moment", "the desk acts within the call"
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
    WITHIN: 5,
    TERMINATED: 5,
    LOCK: 5,
}
CALL_WEIGHT = 5
"""The weight of each fault of one call: its answer is lost, and so on."""
AT_REQUESTS = (RESTARTED, FROZEN, EXPIRED, PEOPLE)
WITHOUT_POINT = (TWINS, REFUSES, WITHIN, *FOLIO_FAULTS)
KINDS: tuple[PointKind, ...] = ("statement", "commit", "request", "call")
SIDES: tuple[Side, ...] = ("before", "after")


@dataclass(frozen=True)
class Fault:
    """A fault of one run. `skip` calls pass before the one that has it; `seconds` is how long it lasts."""

    kind: str
    point: Point | None
    skip: int
    seconds: float
    is_long: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.point or ''}".rstrip()


def list_kinds(system: SystemKind) -> dict[str, int]:
    """Returns the faults that a system can have, with their weights."""
    of_calls = FOLIO_FAULTS if system == "folio" else KOHA_FAULTS
    return {**WEIGHTS, **dict.fromkeys(of_calls, CALL_WEIGHT)}


def draw(random: Random, system: SystemKind, *, due: int, reads: bool) -> Fault:
    """Draws a fault of a run that has so many events to write. A point may still be beyond the end of the run."""
    kinds = list_kinds(system)
    kind = random.choices(list(kinds), list(kinds.values()))[0]
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
    return Fault(kind, point, random.randrange(max(1, due)), random.uniform(0.02, 0.3), random.random() < 0.4)
