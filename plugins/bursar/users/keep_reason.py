"""The reasons for which a purge keeps a user, and bulk waiving or a purge does not waive a fine."""

from bursar.described_enum import DescribedEnum


class KeepReason(DescribedEnum):
    """A reason to keep a user or not to waive a fine, in the order of the checks in include/sql/users."""

    NO_DATE = "no_date", "has no such date, and is never due"
    NOT_CHOSEN = "not_chosen", "in the file, but outside the other choices"
    SETTLED = "settled", "nothing is owed any more"
    IN_UNFINISHED_BATCH = "in_unfinished_batch", "an export that has not ended holds the fine"
    OUTSTANDING = "outstanding", "outstanding at the bursar"
    REVERSAL_WAITS = "reversal_waits", "the next export has to report to the bursar that a fine was settled here"
    OVERPAYMENT_HELD = "overpayment_held", "an overpayment of the user waits for the decision of a person"
    ABOVE_THRESHOLD = "above_threshold", "the user owes more than the threshold"
    CREDIT = "credit", "a credit of the user is open"
    REVERSED = "reversed", "credits for the fine have given its amount back already; it can only be paid"
    DISPUTED = "disputed", "the fine is disputed"
    OUTSTANDING_WAIVED = "outstanding_waived", "waived; the user is kept until the bursar has been notified"
