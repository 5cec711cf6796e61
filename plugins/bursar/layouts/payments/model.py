"""The model of a payment layout: how a bursar writes its files of payments."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import InitErrorDetails

from bursar.layouts.payments.cells import FieldName, PaymentFieldName, PaymentFields
from bursar.layouts.payments.row_layout import RecordKind, RowLayout
from bursar.layouts.text_files import to_tuple
from bursar.profiles.rules import Rules, wrong

FieldNames = Annotated[tuple[PaymentFieldName, ...], BeforeValidator(to_tuple)]


class PaymentRecordKind(RecordKind):
    """One kind of record: the payments, or a record of the whole file, such as a header or a trailer."""

    each: Literal["payment", "file"] = Field(
        description="`payment`: a payment. `file`: a header, a trailer or another line without a payment."
    )


class PaymentLayout(RowLayout):
    """How a bursar writes its files of payments."""

    model_config = ConfigDict(json_schema_extra={"title": "Layout of payments"})

    row: ClassVar[str] = "payment"
    noun: ClassVar[str] = "payment"

    for_: Literal["payments"] = Field(alias="for", description="What the layout is for: `payments`.")
    records: tuple[PaymentRecordKind, ...] = Field(
        (), description="The kinds of records, if there are others than payments. Blank: each line is a payment."
    )
    fields: PaymentFields = Field(description="The fields of a payment, and where each is.")
    payment_is: FieldNames = Field(
        (),
        description="The fields that together identify a payment. If a file repeats a payment of an earlier file, it "
        "has no effect. Blank: each row is a new payment.",
    )
    allocate: Literal["oldest_first"] | None = Field(
        None,
        description="How a payment is divided that names a user, and no fine: `oldest_first` pays the oldest "
        "outstanding fine first. Blank: such a payment has no effect.",
    )

    @property
    def key(self) -> tuple[FieldName, ...]:
        """The fields that together identify a payment."""
        return self.payment_is

    def _check_matching(self) -> Iterator[InitErrorDetails]:
        fields = self.fields
        if fields.identifier and not fields.reference and not self.allocate:
            yield wrong(
                "finds a fine only with a reference: name reference, or write allocate: oldest_first",
                *("fields", "identifier"),
            )
        if self.allocate and (fields.reference or fields.transaction_id or fields.internal_id or not fields.identifier):
            yield wrong("divides payments that name a user and no fine: name the field identifier alone", "allocate")
        for name in self.payment_is:
            if name not in fields.by_name:
                yield wrong(
                    f"{name} is no field of the rows: name one that differs from payment to payment", "payment_is"
                )

    rules: ClassVar[Rules] = (*RowLayout.rules, _check_matching)
