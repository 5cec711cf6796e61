"""Turns rows of the saved report into rows of Bursar's CSV format. Owners and types stay those of Koha."""

from collections.abc import Mapping

from bursar.sources.koha.model import ATTRIBUTE, KohaSource
from bursar.sources.koha.report import Row

CREDIT = "CREDIT"
"""The type of credits in Bursar."""
CREDIT_TYPES = frozenset({"CREDIT", "REFUND", "LOST_FOUND", "PROCESSING_FOUND", "OVERPAYMENT"})
"""Koha's credit types that give something back; the report leaves its payments out."""
BRANCHES: Mapping[str, str] = {"line": "line_branch", "item": "item_home_branch", "patron": "patron_branch"}
STATUSES: Mapping[str, str] = {"CANCELLED": "cancelled", "VOID": "cancelled", "UNRETURNED": "accruing"}
"""The statuses of lines that mean something to Bursar. Fines of UNRETURNED items grow every night."""
SETTLED_AS: Mapping[str, str] = {
    "WRITEOFF": "waived",
    "FORGIVEN": "waived",
    "DISCOUNT": "waived",
    "CANCELLATION": "cancelled",
}
FINE_COLUMNS = (
    "fine_id",
    "user_id",
    "fine_fee_type",
    "amount",
    "balance",
    "created_at",
    "status",
    "settled_as",
    "reverses",
    "owner_library",
    "item_barcode",
    "item_title",
    "item_call_number",
)
USER_COLUMNS = ("user_id", "primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date")


def is_payment(row: Row, source: KohaSource) -> bool:
    """Returns whether a line is a credit that only lowers what is owed, so it is no fine."""
    type_ = row["credit_type"]
    return type_ is not None and (type_ == source.credit_type or source.credit_types.get(type_) == "payment")


def make_fine(row: Row, source: KohaSource) -> tuple[str, ...]:
    """Returns a line as a row of fines; a credit of an unknown type keeps that type, which no load accepts."""
    type_ = row["credit_type"]
    if type_ is None:
        type_ = row["debit_type"]
    elif type_ in CREDIT_TYPES or source.credit_types.get(type_) == "credit":
        type_ = CREDIT
    owner = next((branch for place in source.owner_order if (branch := row[BRANCHES[place]])), "")
    barcode = row["item_barcode"]
    values = (
        row["fine_id"],
        row["user_id"],
        type_,
        row["amount"],
        row["balance"],
        row["charged_at"],
        STATUSES.get(row["line_status"], "open"),
        SETTLED_AS.get(row["settled_by"], "paid"),
        row["reverses"],
        owner,
        barcode,
        row["item_title"] if barcode else None,
        row["item_call_number"] if barcode else None,
    )
    return tuple("" if value is None else str(value) for value in values)


def make_user(row: Row, source: KohaSource) -> tuple[str, ...]:
    """Returns the patron of a line as a row of users, with the identifiers of the source in their order."""
    other = "cardnumber" if source.primary_id == "userid" else "userid"
    primary_id = row[source.primary_id] or row[other] or f"{source.code}:{row['user_id']}"
    values = (
        row["user_id"],
        primary_id,
        row["surname"],
        row["firstname"],
        row["category"],
        row["expiry_date"],
        None,
        *(_get_identifier(row, place, source) for place in source.identifiers.values()),
    )
    return tuple("" if value is None else str(value) for value in values)


def _get_identifier(row: Row, place: str, source: KohaSource) -> str | None:
    if not place.startswith(ATTRIBUTE):
        value: str | None = row[place]
        return value
    values = _split_attributes(row["attributes"] or "", source.attribute_codes, place.removeprefix(ATTRIBUTE))
    return values[0] if len(values) == 1 else None


def _split_attributes(text: str, codes: list[str], code: str) -> list[str]:
    """Returns the different values of an attribute in `CODE=value,CODE=value`; a value may have commas."""
    pairs: list[str] = []
    for part in text.split(","):
        if not pairs or any(part.startswith(f"{one}=") for one in codes):
            pairs.append(part)
        else:
            pairs[-1] += f",{part}"
    return list(dict.fromkeys(pair.partition("=")[2] for pair in pairs if pair.startswith(f"{code}=")))
