"""The words for the types of fines and fees, which the ledger and the file have as codes."""

from collections.abc import Mapping

FINE_TYPES: Mapping[str, str] = {
    "CREDIT": "credit",
    "DAMAGEDITEMFINE": "damaged item fine",
    "LIBRARYCARDREPLACEMENT": "library card replacement",
    "LOSTITEMPROCESSFEE": "lost item process fee",
    "LOSTITEMREPLACEMENTFEE": "lost item replacement fee",
    "OTHER": "other",
    "OVERDUEFINE": "overdue fine",
    "RECALLEDOVERDUEFINE": "recalled overdue fine",
}


def describe_fine_type(code: str) -> str:
    """Returns the words for a type; a type of the library's own is returned as it is."""
    return FINE_TYPES.get(code, code)
