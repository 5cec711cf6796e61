"""The types of journal entries, and the statuses of a fine that follow from them."""

from enum import StrEnum


class EntryType(StrEnum):
    """The type of a journal entry."""

    CHARGED = "CHARGED"
    ADJUSTED = "ADJUSTED"
    PAID = "PAID"
    WAIVED = "WAIVED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    REOPENED = "REOPENED"
    DISPUTED = "DISPUTED"
    DISPUTE_SETTLED = "DISPUTE_SETTLED"
    MOVED = "MOVED"
    EXPORTED = "EXPORTED"
    EXPORTED_AND_PAID = "EXPORTED_AND_PAID"
    PAID_AT_BURSAR = "PAID_AT_BURSAR"
    REVERSED = "REVERSED"


class FineStatus(StrEnum):
    """The status of a fine. It is derived by the journal's trigger."""

    ACTIVE = "ACTIVE"
    DISPUTED = "DISPUTED"
    CLOSED = "CLOSED"
    TRANSFERRED = "TRANSFERRED"
