"""The values of a layout of files that are read: where each is in a row, and how it is written."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import InitErrorDetails

from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.layouts.text_files import PositionText
from bursar.money import DEFAULT_DECIMALS, count_decimals
from bursar.profiles.field_types import Currency, StrictModel, Text, WholeNumber
from bursar.profiles.rules import Rules, missing, wrong

MAX_HASH_DIGITS = 18
PaymentFieldName: TypeAlias = Literal[
    "transaction_id", "internal_id", "identifier", "reference", "sum", "sign", "currency", "paid_on"
]
FieldName: TypeAlias = PaymentFieldName | Literal["stated_on"]
IDS: tuple[FieldName, ...] = ("transaction_id", "internal_id", "identifier")
"""The fields by which a fine is found."""


def _validate_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error.msg}") from None
    return value


def _parse_money(value: object) -> MoneyPicture:
    return value if isinstance(value, MoneyPicture) else MoneyPicture.parse(str(value).strip())


def _parse_date(value: object) -> DatePicture:
    return value if isinstance(value, DatePicture) else DatePicture.parse(str(value).strip())


Money = Annotated[MoneyPicture, PlainValidator(_parse_money), WithJsonSchema({"type": ["string", "number"]})]
Day = Annotated[DatePicture, PlainValidator(_parse_date), PlainSerializer(str), WithJsonSchema({"type": "string"})]
Expression = Annotated[Text, AfterValidator(_validate_expression)]


class Cell(StrictModel):
    """A value of a row: where it is."""

    column: Text | None = Field(
        None,
        description="In a delimited file: the name of the column in the heading, in any case; its number, from 1, "
        "without a heading and in headers and trailers.",
    )
    at: PositionText | None = Field(
        None, description="In a fixed file: the first and the last character, counted from 1, as in `12-20`."
    )

    @property
    def place(self) -> str:
        """Where the value is, in messages."""
        return f"position {self.at}" if self.at else f"column {self.column}"


class IdField(Cell):
    """An id, or another text that finds a fine."""

    matches: Expression | None = Field(
        None,
        description="A regular expression that the whole value must match, as in `LIB[0-9]{6}`. Blank: any value.",
    )


class SumField(Cell):
    """The sum of a row."""

    as_: Money = Field(
        alias="as",
        description="How sums are written: `0.00`, `0,00`, `cents` (no decimal sign) or `plain` (as many decimals as "
        "needed). A minus is in front; `0.00-`: behind; `(0.00)`: negative sums in parentheses; `+0.00`: always "
        "with a sign; `abs 0.00`: never with a sign.",
    )


class SignField(Cell):
    """The sign of the sum, in a column of its own."""

    codes: dict[Text, Literal["+", "-"]] = Field(
        description='The sign by the code in the file, as in `{D: "+", C: "-"}`. `+` is a payment, or what is owed.'
    )


class CurrencyField(Cell):
    """The currency of the sum: the same for all rows, or a value of the row."""

    is_: Currency | None = Field(None, alias="is", description="The currency of all rows, as in `USD`.")
    codes: dict[Text, Currency] = Field(
        {}, description="The currency by the code in the file. Blank: the file has the codes of ISO 4217."
    )


class DateField(Cell):
    """A day."""

    as_: Day = Field(alias="as", description="How days are written, in the letters of strftime, as in `%d.%m.%Y`.")


class RowFields(StrictModel):
    """The fields of a row, and where each is."""

    transaction_id: IdField | None = Field(None, description="The transaction id that the export gave to the fine.")
    internal_id: IdField | None = Field(None, description="The internal id of the fine.")
    identifier: IdField | None = Field(
        None,
        description="The identifier of the user, as in the export.",
    )
    reference: IdField | None = Field(
        None,
        description="The barcode of the item, as in the export. With the identifier it has to meet exactly one fine "
        "that is outstanding.",
    )
    sum: SumField = Field(description="The sum of the row.")
    sign: SignField | None = Field(None, description="The sign of the sum, if it is in a column of its own.")
    currency: CurrencyField = Field(description="The currency of the sum.")

    @property
    def by_name(self) -> dict[FieldName, Cell]:
        """The fields that are in each row, by name, in the order of the model."""
        named: dict[FieldName, Cell] = {name: field for name, field in self if field is not None}  # type: ignore[misc]
        if self.currency.is_:
            del named["currency"]
        return named

    def _check_ids(self) -> Iterator[InitErrorDetails]:
        if not any(getattr(self, name) for name in IDS):
            yield wrong(
                "no row would find a fine: name transaction_id, internal_id, or identifier with reference",
                "transaction_id",
            )
        if self.reference and not self.identifier:
            yield wrong("a reference finds a fine only with the user: name identifier, too", "reference")

    def _check_sign(self) -> Iterator[InitErrorDetails]:
        if self.sign and self.sum.as_.sign not in {"leading", "none"}:
            yield wrong("the sum has a sign of its own: write it without, as in 0.00, or remove sign", "sum", "as")
        if self.sign and not self.sign.codes:
            yield missing("sign", "codes")

    def _check_currency(self) -> Iterator[InitErrorDetails]:
        currency = self.currency
        if currency.is_ and (currency.column or currency.at or currency.codes):
            yield wrong("one currency of all rows needs no place in the row: keep one of the two", "currency", "is")
        if currency.is_ and self.sum.as_.number == "cents" and count_decimals(currency.is_) != DEFAULT_DECIMALS:
            yield wrong(f"{currency.is_} has no hundredths: write plain", "sum", "as")

    rules: ClassVar[Rules] = (_check_ids, _check_sign, _check_currency)


class PaymentFields(RowFields):
    """The fields of a payment, and where each is. A row whose values are not written as said here has no effect."""

    identifier: IdField | None = Field(
        None,
        description="The identifier of the user, as in the export. It is used together with `reference`, or with "
        "`allocate`.",
    )
    sum: SumField = Field(description="The sum of the payment.")
    paid_on: DateField | None = Field(None, description="The day of the payment.")


class ControlCount(Cell):
    """The number of rows, as a control record has it."""


class ControlSum(Cell):
    """The total of all rows, as a control record has it."""

    as_: Money = Field(alias="as", description="How the total is written, as for the sum of a row.")


class ControlHash(Cell):
    """The hash total: the sum of the digits of a field of all rows, each read as a number."""

    of: Literal["transaction_id", "internal_id", "identifier", "reference"] = Field(
        description="The field whose digits are added up, as in `identifier`."
    )
    digits: Annotated[WholeNumber, Field(ge=1, le=MAX_HASH_DIGITS)] | None = Field(
        None, description="How many of the last digits of the total count. Blank: as many as the file has."
    )
