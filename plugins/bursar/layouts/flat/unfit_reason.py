"""The reasons for which a fine does not fit a layout."""

from enum import StrEnum


class UnfitReason(StrEnum):
    """A reason for which a fine, or the line of its user, does not fit a layout, in the order of the rules."""

    TOO_MANY_DECIMALS = "too_many_decimals"
    NO_CODE = "no_code"
    VALUE_MISSING = "value_missing"
    TOO_LONG = "too_long"
    NOT_IN_ENCODING = "not_in_encoding"
    DELIMITER_IN_VALUE = "delimiter_in_value"
