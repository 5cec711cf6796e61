"""The facts of a library's system that the checks compare with the ledger, and what its desk does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class DeskAct:
    """An act of the desk on a part of what a fine owes: `pay`, `waive` or `return`."""

    name: str
    part: float
    fine: str | None = None


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
    def arm(self, kind: str, skip: int) -> None: ...
    def arm_desk(self, name: str, part: float, skip: int) -> None: ...
    def disarm(self) -> bool: ...
    def hold(self, seconds: float) -> None: ...
    def expire(self, *, refresh_too: bool) -> None: ...
    def correct(self, fine: str) -> str: ...
    def count_keys(self) -> dict[str, int]: ...
    def list_facts(self) -> list[dict[str, Any]]: ...
