"""The facts of a library's system that the checks compare with the ledger, and what its desk does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

WITHIN = "the desk acts within the call"
"""A fault of a call: the desk pays, waives or returns what the call is about, before it is saved."""


class Plan:
    """The faults of the next calls that change something in a library's system; None is none."""

    def __init__(self) -> None:
        self.waiting: list[str | None] = []
        self.injected: list[str] = []
        self.act, self.part = "pay", 1.0

    def begin(self, kinds: Sequence[str | None], act: str, part: float) -> None:
        """Begins with the faults of a run; `act` and `part` are what the desk does within a call."""
        self.waiting, self.injected = list(kinds), []
        self.act, self.part = act, part

    def take(self) -> str | None:
        """Returns the fault of a call that has come."""
        kind = self.waiting.pop(0) if self.waiting else None
        if kind:
            self.injected.append(kind)
        return kind

    def end(self) -> list[str]:
        """Ends; returns the faults that were injected."""
        self.waiting = []
        return self.injected


@dataclass(frozen=True)
class SystemFact:
    """What a fine went through in the library's system. Amounts are texts, since they come from another process.

    `own` has the changes of the fine's balance by each event of Bursar, `elsewhere` the amounts that an event's credit
    took off other fines or left unused, both by the event's key. `by_desk` was paid or waived by the library.
    """

    fine: str
    user: str
    amount: str
    owed: str
    own: Mapping[str, Sequence[str]]
    elsewhere: Mapping[str, str]
    by_desk: str
    is_returned: bool


class Desk(Protocol):
    """The staff of a library's system. All calls run in the process of the server."""

    def charge(self, user: int, amount: str) -> str: ...
    def act(self, fine: str, name: str, part: float) -> bool: ...
    def arm(self, kinds: Sequence[str | None], act: str, part: float) -> None: ...
    def disarm(self) -> list[str]: ...
    def hold(self, seconds: float) -> None: ...
    def expire(self, *, refresh_too: bool) -> None: ...
    def correct(self, fine: str) -> str: ...
    def count_keys(self) -> dict[str, int]: ...
    def list_facts(self) -> list[dict[str, Any]]: ...
