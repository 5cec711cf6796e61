"""The records of a payment file in a layout: those of an XML file, and what else a layout can name."""

from typing import NamedTuple


class PaymentRecord(NamedTuple):
    """The values of one row of a file, None where it has none; the first ones are those of `alma_xml.records.Record`.

    `sum` is written as the ledger reads it, as in `-12.50`, whatever the file has.
    """

    number: int  # from 1, in the order of the file, without rows that the layout ignores
    line: int  # the first one of the row, from 1
    transaction_id: str | None = None
    internal_id: str | None = None
    currency: str | None = None
    sum: str | None = None
    problem: str | None = None  # the reason why it must have no effect
    identifier: str | None = None
    reference: str | None = None  # the barcode of the item
    paid_on: str | None = None  # as YYYY-MM-DD
    payment_key: str | None = None  # equal for rows of several files that report the same payment
