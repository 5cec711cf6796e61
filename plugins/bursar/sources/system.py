"""The interface to a library's system: Bursar reads fines from it, and informs it of what became of them.

A system's module implements `LibrarySystem`. CSV files are a source that can only be read, so they do not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from uuid import UUID

from bursar.described_enum import DescribedEnum
from bursar.errors import TransientError
from bursar.ledger.entry_type import EntryType

PREFIX = "bursar:"
"""Begins the key of an event in the library's system."""


class EventKind(DescribedEnum):
    """What a library's system is informed of, about a fine."""

    HANDED_OVER = "handed_over", "handed over to the bursar"
    PAID_AT_BURSAR = "paid_at_bursar", "paid at the bursar"
    REVERSED = "reversed", "paid, waived or credited in Bursar"
    OWED_AGAIN = "owed_again", "owed again"


class AnswerStatus(DescribedEnum):
    """What became of an event in the library's system."""

    DONE = "done", "done"
    REFUSED = "refused", "refused"
    UNKNOWN = "unknown", "not known"


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a library's system is to be informed of: one entry of the journal about one of its fines.

    `key` derives from the entry, so it is the same at each attempt. `fine_id` and `user_id` are the system's own ids;
    `user_id` is None for users without one. `amount` is positive, in `currency`. `is_credit`: the fine itself is a
    credit of the library. `is_repeated`: an earlier attempt may have arrived, or may still arrive, written as the
    source said then. docs/reference/outbox.md says which entries become events, and what systems do.
    """

    key: UUID
    kind: EventKind
    entry_type: EntryType
    fine_id: str
    user_id: str | None
    amount: Decimal
    currency: str
    occurred_at: datetime
    is_credit: bool = False
    is_repeated: bool = False

    @property
    def text(self) -> str:
        """The key as it stands in the library's system: what `find` looks for."""
        return f"{PREFIX}{self.key}"


@dataclass(frozen=True)
class Answer:
    """What became of an event. `reason` says it to a librarian, without personal data.

    `balance_change` is what the event itself has changed of the fine's balance in the library's system: negative if it
    took something off, which is at most what was owed there at that moment.
    """

    status: AnswerStatus
    reason: str
    balance_change: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read from a library's system: files in the format of docs/reference/csv.md, by kind of rows.

    `read_at` is the system's own moment at the start of the reading; the next one begins there. `complete`: the fines
    are all that are open.
    """

    files: Mapping[str, Path]
    read_at: datetime
    complete: bool


@dataclass(frozen=True)
class Finding:
    """A line of the check of a library's system. `remedy` says what to do; it is blank if `is_good`."""

    subject: str
    is_good: bool
    text: str
    remedy: str = ""


class FailedRequestError(TransientError):
    """The server answers a request with an error of its own, each time; it may answer requests about others."""


Confirm = Callable[[], object]
"""Raises a TransientError if another worker may write by now."""


def confirm_alone() -> None:
    """Confirms that a request may be sent, for a caller beside whom nobody writes."""


class LibrarySystem(Protocol):
    """A library's system over its API. Each method logs in if it must.

    All raise TransientError if the system can't be reached or does not answer in time, and BursarError, with a remedy,
    if it refuses the login or answers what can't be read. Only `write` changes anything, and it never raises for what
    became of its event: an error or a timeout after the first byte was sent is `UNKNOWN`.
    """

    def read(self, since: datetime | None, folder: Path) -> Reading:
        """Reads the fines that changed since a moment, or all that are open, and the users whom they name."""

    def check_names(self) -> None:
        """Checks the names with which events are written, if the system takes any; nothing is written if it raises.

        Raises:
            BursarError: the system lacks one, or does not let it be looked up.
        """

    def find(self, event: Event) -> Answer | None:
        """Returns what became of an event that may have been written before; None if it never arrived.

        One that `is_repeated` is looked for in all ways in which it may have been written.
        """

    def write(self, event: Event, confirm: Confirm = confirm_alone) -> Answer:
        """Writes an event that `find` has not found, and checks what became of it.

        `confirm` is called directly before each request that changes something. If it raises, nothing is sent.
        """

    def check(self) -> list[Finding]:
        """Compares version, permissions, settings and maps with what is needed. Changes nothing."""
