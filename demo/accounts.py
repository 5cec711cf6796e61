"""Totals of the whole ledger compared with those of all files, and what each user owes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, text

from demo.exports import Export
from demo.imports import Import

PLACES = text("""
    WITH places AS (
        SELECT fines.id, fines.currency, fines.amount AS original, fines.balance, fines.outstanding,
               coalesce(-sum(balance_change + outstanding_change)
                        FILTER (WHERE entry_type IN ('PAID', 'REFUNDED', 'REOPENED')), 0) AS desk,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type = 'WAIVED'), 0) AS waived,
               coalesce(-sum(balance_change + outstanding_change)
                        FILTER (WHERE entry_type = 'CANCELLED'), 0) AS cancelled,
               coalesce(-sum(outstanding_change) FILTER (WHERE entry_type = 'REVERSED'), 0) AS set_off,
               coalesce(-sum(balance_change) FILTER (WHERE entry_type = 'EXPORTED_AND_PAID'), 0)
                   - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'PAID_AT_BURSAR'), 0) AS settled,
               coalesce(sum(credit_amount), 0) AS credits
        FROM fines JOIN journal_entries ON journal_entries.fine_id = fines.id
        LEFT JOIN import_records AS records
            ON records.file_id = journal_entries.import_file_id AND records.number = journal_entries.import_record
        GROUP BY fines.id
    )
    SELECT currency, sum(original) AS original, sum(desk) AS desk, sum(waived) AS waived,
           sum(cancelled) AS cancelled, sum(balance) AS balance,
           sum(settled + credits) AS bursar, sum(outstanding) AS outstanding, sum(credits) AS credits,
           count(*) FILTER (WHERE original <> desk + waived + cancelled + balance + settled + outstanding + set_off)
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
    """Where the money of one currency is; `wrong` counts the fines whose amounts do not add up.

    Charges and credits that were offset against each other cancel out.
    """

    currency: str
    original: Decimal
    desk: Decimal
    waived: Decimal
    cancelled: Decimal
    balance: Decimal
    bursar: Decimal
    outstanding: Decimal
    credits: Decimal
    wrong: int


class FileTotals(NamedTuple):
    """The totals of all files sent to the bursars and received from them, each by currency.

    `sent` and `sent_later` are the totals of the first and the second exports. `reported` is paid by the bursars'
    files. `paid_when_sent` was sent to bursars that return no files, and counts as paid.
    """

    sent: Mapping[str, Decimal]
    sent_later: Mapping[str, Decimal]
    reported: Mapping[str, Decimal]
    paid_when_sent: Mapping[str, Decimal]


class Position(NamedTuple):
    """What a user owes, at the library and at the bursar."""

    user: int
    name: str
    currency: str
    balance: Decimal
    outstanding: Decimal


def places(connection: Connection) -> list[Places]:
    """Returns where the money is, by currency."""
    return [Places(*row) for row in connection.execute(PLACES)]


def positions(connection: Connection) -> dict[tuple[int, str], Position]:
    """Returns what each user owes, by user and currency."""
    return {(row.id, row.currency): Position(*row) for row in connection.execute(POSITIONS)}


def sum_files(first: list[Export], second: list[Export], imports: list[Import]) -> FileTotals:
    """Returns the totals of the exported files and of the payments that the ledger applied."""
    return FileTotals(
        sent=_sum(export.in_file for export in first),
        sent_later=_sum(export.in_file for export in second),
        reported=_sum(found.applied for one in imports for found in one.outcomes),
        paid_when_sent=_sum(export.in_file for export in first if not export.profile.import_.active),
    )


def find_balance_problems(places: list[Places], files: FileTotals) -> list[str]:
    """Returns the amounts that do not agree, as sentences."""
    problems = [f"{place.wrong} fines in {place.currency} do not add up" for place in places if place.wrong]
    for place in places:
        currency, paid = place.currency, place.bursar - place.credits
        sent = files.sent.get(currency, Decimal()) + files.sent_later.get(currency, Decimal())
        if paid + place.outstanding != sent:
            problems.append(f"the bursars have files over {sent} {currency}, the ledger {paid + place.outstanding}")
        reported = files.reported.get(currency, Decimal()) + files.paid_when_sent.get(currency, Decimal())
        if paid != reported:
            problems.append(f"the bursars were paid {reported} {currency}, the ledger says {paid}")
    return problems


def _sum(amounts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in amounts:
        for currency, amount in one.items():
            sums[currency] = sums.get(currency, Decimal()) + amount
    return sums
