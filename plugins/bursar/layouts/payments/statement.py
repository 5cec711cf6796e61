"""The model of a statement layout: how a bursar writes which fines are still open there, or were billed."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic_core import InitErrorDetails

from bursar.layouts.payments.cells import Cell, DateField, IdField, RowFields, SumField
from bursar.layouts.payments.row_layout import RecordKind, RowLayout
from bursar.profiles.field_types import WholeNumber, YesNo
from bursar.profiles.rules import Rules, wrong

MAX_DAYS = 3650


class LineKind(RecordKind):
    """One kind of record: the lines of fines or users, or a record of the whole file, such as a header or a trailer."""

    each: Literal["line", "file"] = Field(
        description="`line`: a fine, or a user with a total. `file`: a header, a trailer or the like."
    )
    stated_on: DateField | None = Field(
        None, description="Where the day is for which the statement counts, in a header or trailer."
    )

    @property
    def controls(self) -> dict[str, Cell]:
        """The values of a control record, by name: its totals, and the day of the statement."""
        return super().controls | ({"stated_on": self.stated_on} if self.stated_on else {})


class LineFields(RowFields):
    """The fields of a line, and where each is. With an identifier alone, the totals of users are compared."""

    identifier: IdField | None = Field(
        None,
        description="The identifier of the user, as in the export. With `reference` it finds a fine; alone, it names a "
        "user with a total.",
    )
    sum: SumField = Field(description="The sum that is open, or was billed. Several lines of a fine are added up.")
    stated_on: DateField | None = Field(
        None,
        description="The day for which the statement counts, if each line has it. Blank: the day in a header, or the "
        "time of the file.",
    )


class StatementLayout(RowLayout):
    """How a bursar writes its statements, which are compared with the ledger and change nothing."""

    model_config = ConfigDict(json_schema_extra={"title": "Layout of statements"})

    row: ClassVar[str] = "line"
    noun: ClassVar[str] = "statement line"

    for_: Literal["statement"] = Field(alias="for", description="What the layout is for: `statement`.")
    lists: Literal["open", "billed"] = Field(
        description="What the statement lists. `open`: the fines that are not paid yet, compared with what is "
        "outstanding. `billed`: the fines that were billed, compared with what was exported."
    )
    billed_days: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None,
        description="With `lists: billed`: how many days a statement reaches back. Fines that were exported before are "
        "not missed in it. Blank: to the first export.",
    )
    partial: YesNo = Field(
        default=False,
        description="Whether a list comes in several files, each with some of its fines or users. A fine that a file "
        "does not have is then pending, and missed if no file of the last days has it.",
    )
    records: tuple[LineKind, ...] = Field(
        (), description="The kinds of records, if the file has a header, a trailer or the like. Blank: it has none."
    )
    fields: LineFields = Field(description="The fields of a line, and where each is.")

    @property
    def has_totals_of_users(self) -> bool:
        """Whether a line names a user, and no fine."""
        return not (self.fields.transaction_id or self.fields.internal_id or self.fields.reference)

    def _check_days(self) -> Iterator[InitErrorDetails]:
        if self.billed_days and self.lists == "open":
            yield wrong("belongs to lists: billed: a fine is open however old it is", "billed_days")

    def _check_identifier(self) -> Iterator[InitErrorDetails]:
        fields = self.fields
        if fields.identifier and not fields.reference and (fields.transaction_id or fields.internal_id):
            yield wrong(
                "finds a fine only with a reference: name reference, too, or remove the identifier",
                *("fields", "identifier"),
            )

    rules: ClassVar[Rules] = (*RowLayout.rules, _check_days, _check_identifier)
