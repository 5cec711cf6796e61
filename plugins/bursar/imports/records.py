"""Reads the records of a fetched file, in XML or in the layout of the profile, and copies them into the ledger."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bursar.db.bulk_copy import copy_into
from bursar.errors import BursarError, InputFileError
from bursar.imports.decompress import open_decompressed
from bursar.layouts.alma_xml import parse_fast
from bursar.layouts.alma_xml.records import Record
from bursar.layouts.payments import parse
from bursar.layouts.payments.model import PaymentLayout
from bursar.layouts.payments.records import PaymentRecord
from bursar.layouts.read import get_layout
from bursar.ledger.import_files import UserMatching
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.progress import log_progress

MAX_CURRENCIES = 100
_MONEY = re.compile(r"[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?")  # as in include/sql/imports/match_records.sql
_MONEY_SCALE = Decimal("0.001")


def get_payment_layout(profile: Profile) -> PaymentLayout | None:
    """Returns the layout of a profile's payment files; None if they are in XML.

    Raises:
        BursarError: it is missing or invalid, or does not suit the profile.
    """
    section = profile.import_
    if section.layout is None:
        return None
    layout = get_layout(section.layout, PaymentLayout)
    if section.amount_mode == "cumulative" and _get_user_matching(layout):
        raise BursarError(
            f"The layout {section.layout} finds fines by their users, and {profile.code} has amount_mode: cumulative. "
            "A total of all payments can't be compared with the fines that happen to be outstanding. Write "
            "incremental, or ask the bursar for the ids of the fines."
        )
    return layout.with_name(section.layout)


def describe_layout(layout: PaymentLayout | None) -> dict[str, Any]:
    """Returns what the ledger records about the layout of a file."""
    if layout is None:
        return {"layout": None, "user_matching": None, "has_payment_keys": False}
    return {
        "layout": layout.name,
        "user_matching": _get_user_matching(layout),
        "has_payment_keys": bool(layout.payment_is),
    }


def _get_user_matching(layout: PaymentLayout) -> UserMatching | None:
    if layout.allocate:
        return UserMatching.OLDEST_FIRST
    return UserMatching.REFERENCE if layout.fields.reference else None


def copy_records(
    connection: Connection, file_id: int, name: str, path: Path, layout: PaymentLayout | None
) -> tuple[int, dict[str, Decimal]]:
    """Copies the records of a fetched file into the ledger.

    Returns their number, and the total of the valid sums for each currency.

    Raises:
        InputFileError: it is no valid payment file.
    """
    with _open_records(path, name, layout) as found:
        return _copy(connection, file_id, name, found, PaymentRecord._fields if layout else Record._fields)


@contextmanager
def _open_records(path: Path, name: str, layout: PaymentLayout | None) -> Iterator[Iterator[Record | PaymentRecord]]:
    if layout:
        yield parse.parse_records(layout, partial(open_decompressed, path, name), name)
        return
    with open_decompressed(path, name) as source:
        yield parse_fast.parse_records(source, name)


def _copy(
    connection: Connection,
    file_id: int,
    name: str,
    found: Iterator[Record | PaymentRecord],
    columns: tuple[str, ...],
) -> tuple[int, dict[str, Decimal]]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    count = with_id = with_sum = 0
    is_recognised, first_problem = False, ""
    is_xml = columns == Record._fields
    with copy_into(connection, f"import_records (file_id, {', '.join(columns)})") as copy:
        for record in log_progress(found, f"Loaded records of {name}"):
            copy.write_row((file_id, *record))
            count += 1
            has_id, has_sum = bool(record.transaction_id or record.internal_id), bool(record.sum)
            with_id, with_sum = with_id + has_id, with_sum + has_sum
            is_recognised = is_recognised or (has_id and has_sum)
            if record.problem and not first_problem:
                first_problem = f" Line {record.line}: {record.problem}."
            if record.sum and _MONEY.fullmatch(record.sum):
                totals[record.currency or ""] += Decimal(record.sum)
                if len(totals) > MAX_CURRENCIES:
                    raise InputFileError(
                        f"{name}:{record.line}: more than {MAX_CURRENCIES} different currencies. Ask the bursar for a "
                        "file with the structure of the export."
                    )
    if count and is_xml and not is_recognised:  # the reader by layouts has its own rule
        raise InputFileError(
            f"{name}: no payment is recognised. Expected: records with a sum and with a bursarTransactionId or an "
            f"internalId. Found: {pluralize(count, 'record')}, {with_id:,} with an id, {with_sum:,} with a sum."
            f"{first_problem} Ask the bursar for a file with the structure of the export."
        )
    return count, {currency: total.quantize(_MONEY_SCALE) for currency, total in totals.items()}
