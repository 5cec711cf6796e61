"""Where every cent is: the sums of the whole ledger, and the position of each user."""

from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, text

PLACES = text("""
    WITH places AS (
        SELECT fines.id, fines.currency, fines.amount AS original, fines.balance, fines.outstanding,
               coalesce(-sum(balance_change + outstanding_change)
                        FILTER (WHERE kind IN ('PAID', 'REFUNDED')), 0) AS desk,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE kind = 'WAIVED'), 0) AS waived,
               coalesce(-sum(outstanding_change) FILTER (WHERE kind = 'REVERSED'), 0) AS set_off,
               coalesce(-sum(balance_change) FILTER (WHERE kind = 'EXPORTED_AND_PAID'), 0)
                   - coalesce(sum(outstanding_change) FILTER (WHERE kind = 'PAID_AT_BURSAR'), 0) AS settled,
               coalesce(sum(credited), 0) AS credits
        FROM fines JOIN journal ON journal.fine_id = fines.id
        LEFT JOIN import_records AS records
            ON records.file_id = journal.import_file_id AND records.number = journal.import_record
        GROUP BY fines.id
    )
    SELECT currency, sum(original) AS original, sum(desk) AS desk, sum(waived) AS waived, sum(balance) AS balance,
           sum(settled + credits) AS bursar, sum(outstanding) AS outstanding, sum(credits) AS credits,
           count(*) FILTER (WHERE original <> desk + waived + balance + settled + outstanding + set_off)
               + CASE WHEN sum(set_off) = 0 THEN 0 ELSE 1 END AS wrong
    FROM places GROUP BY currency ORDER BY currency
""")

POSITIONS = text("""
    SELECT users.id, concat_ws(', ', last_name, nullif(first_name, '')) AS name, currency,
           sum(balance) AS balance, sum(outstanding) AS outstanding
    FROM users JOIN fines ON fines.user_id = users.id
    GROUP BY users.id, currency ORDER BY users.id, currency
""")


class Places(NamedTuple):
    """Where the money of one currency is; `wrong` counts the fines whose sum does not add up.

    Charges and credits that were set off against each other do, together, not show.
    """

    currency: str
    original: Decimal
    desk: Decimal
    waived: Decimal
    balance: Decimal
    bursar: Decimal
    outstanding: Decimal
    credits: Decimal
    wrong: int


class Position(NamedTuple):
    """What a user owes, at the library and at the bursar."""

    user: int
    name: str
    currency: str
    balance: Decimal
    outstanding: Decimal


def places(connection: Connection) -> list[Places]:
    """Where every cent is, by currency."""
    return [Places(*row) for row in connection.execute(PLACES)]


def positions(connection: Connection) -> dict[tuple[int, str], Position]:
    """The position of each user, by user and currency."""
    return {(row.id, row.currency): Position(*row) for row in connection.execute(POSITIONS)}
