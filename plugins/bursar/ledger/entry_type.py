"""The types of journal entries, and the statuses of a fine that follow from them."""

from bursar.described_enum import DescribedEnum


class EntryType(DescribedEnum):
    """The type of a journal entry."""

    CHARGED = "CHARGED", "charged"
    ADJUSTED = "ADJUSTED", "amount changed"
    PAID = "PAID", "paid at the library"
    WAIVED = "WAIVED", "waived"
    REFUNDED = "REFUNDED", "refunded"
    CANCELLED = "CANCELLED", "cancelled"
    REOPENED = "REOPENED", "open again"
    DISPUTED = "DISPUTED", "disputed"
    DISPUTE_SETTLED = "DISPUTE_SETTLED", "dispute resolved"
    MOVED = "MOVED", "moved to another user"
    EXPORTED = "EXPORTED", "exported"
    EXPORTED_AND_PAID = "EXPORTED_AND_PAID", "exported, and counted as paid"
    PAID_AT_BURSAR = "PAID_AT_BURSAR", "paid at the bursar"
    REVERSED = "REVERSED", "reversed"


class FineStatus(DescribedEnum):
    """The status of a fine. It is derived by the journal's trigger."""

    ACTIVE = "ACTIVE", "active"
    DISPUTED = "DISPUTED", "disputed"
    CLOSED = "CLOSED", "closed"
    TRANSFERRED = "TRANSFERRED", "transferred"
