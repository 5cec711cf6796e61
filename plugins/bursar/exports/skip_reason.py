"""The reasons for which an export leaves a fine open."""

from bursar.described_enum import DescribedEnum
from bursar.layouts.flat.unfit_reason import UnfitReason


class SkipReason(DescribedEnum):
    """A reason to skip a fine, in the order of the rules: those of select_candidates.sql, then those of the layout."""

    DISPUTED = "disputed", "the fine is disputed"
    STILL_ACCRUING = "still_accruing", "the fine still grows in the library system"
    IN_UNFINISHED_BATCH = (
        "in_unfinished_batch",
        "another export that has not ended holds it, or the charge that it reverses",
    )
    OTHER_BURSAR = "other_bursar", "another profile's bursar holds the charge that the credit reverses"
    OTHER_CURRENCY = "other_currency", "currency not in the profile"
    TOO_YOUNG = "too_young", "younger than the time before export"
    OTHER_TYPE = "other_type", "fine/fee type not in the profile"
    OTHER_OWNER = "other_owner", "owner not in the profile"
    OTHER_USER_GROUP = "other_user_group", "user group not in the profile"
    CREDIT_WITH_MINIMUM = "credit_with_minimum", "credits stay open where there is a minimum amount"
    BELOW_MINIMUM = "below_minimum", "the user's fines are below the minimum amount"
    NO_IDENTIFIER = "no_identifier", "the user has no identifier of the profile's type"
    MALFORMED_IDENTIFIER = "malformed_identifier", "the user's identifier does not match the profile's pattern"
    TOO_MANY_DECIMALS = "too_many_decimals", "the amount has more decimals than the layout shows"
    NO_CODE = "no_code", "the layout has no code for it"
    VALUE_MISSING = "value_missing", "a value that the layout requires is missing"
    TOO_LONG = "too_long", "a text is longer than its column in the layout"
    NOT_IN_ENCODING = "not_in_encoding", "a character is not in the encoding of the layout"
    DELIMITER_IN_VALUE = "delimiter_in_value", "a text has the delimiter of the layout"

    @property
    def needs_correction(self) -> bool:
        """Whether the fine stays open until a person corrects something; the profile's rules exclude the others."""
        return self in (SkipReason.NO_IDENTIFIER, SkipReason.MALFORMED_IDENTIFIER) or self.is_of_layout

    @property
    def is_of_layout(self) -> bool:
        """Whether the fine does not fit the layout of the profile; the rules come after all others."""
        return self.value in set(UnfitReason)

    @property
    def is_of_profile(self) -> bool:
        """Whether type, owner and user group of the fine fit the profile; the rules before these ask about any fine."""
        return self.needs_correction or self in (SkipReason.CREDIT_WITH_MINIMUM, SkipReason.BELOW_MINIMUM)
