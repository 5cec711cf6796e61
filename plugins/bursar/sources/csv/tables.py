"""The columns of the CSV files of users and fines, described for librarians in docs/reference/csv.md."""

from dataclasses import dataclass

IDENTIFIER = "identifier:"
IDS = {"code", "id", "primary_id", "user_id", "fine_id", "item_barcode", "reverses", "fine_fee_type"}


@dataclass(frozen=True)
class CsvTable:
    """The columns of one kind of file.

    `required` columns have to be in the heading, and at least one of `one_of`; `optional` ones may be. `amounts` names
    the columns with sums of money. With `identifiers`, further columns named `identifier:<TYPE>` may follow; they are
    read as one column `identifiers`, a JSON object of type and value.
    """

    name: str
    required: tuple[str, ...]
    one_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    identifiers: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """The columns that a heading may name, without the identifiers."""
        return (*self.required, *self.one_of, *self.optional)

    @property
    def columns(self) -> tuple[str, ...]:
        """The values of a record after its line and fault, in this order."""
        return (*self.known, *(["identifiers"] if self.identifiers else []))


GROUPS = CsvTable("groups", ("code", "name"))
LIBRARIES = CsvTable("libraries", ("code", "id", "name"))
USERS = CsvTable(
    "users",
    ("primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date"),
    optional=("user_id",),
    identifiers=True,
)
FINES = CsvTable(
    "fines",
    ("fine_id", "fine_fee_type", "amount", "created_at"),
    one_of=("primary_id", "user_id"),
    optional=(
        "balance",
        "currency",
        "owner_library",
        "item_barcode",
        "item_title",
        "item_call_number",
        "item_library",
        "item_location",
        "item_internal_location",
        "item_due_date",
        "vat",
        "comment",
        "reverses",
        "settled_as",
        "status",
    ),
    amounts=("amount", "balance", "vat"),
)
