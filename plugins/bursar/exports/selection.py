"""Selects the fines of an export, and records the reason for which each other fine is skipped.

The rules are one statement, include/sql/exports/select_candidates.sql; the export and the preview both run it.
The module is long because both share its steps.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pendulum
from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.exports.encryption import require_gpg
from bursar.exports.identifier_pattern import translate_pattern_errors
from bursar.exports.layout_fit import FrozenLayout, check_file_names, find_layout, skip_unfit_fines
from bursar.exports.skip_reason import SkipReason
from bursar.layouts.files import PlannedFile, plan_files
from bursar.layouts.flat.render import make_batch_values
from bursar.layouts.flat.sql import BatchValues
from bursar.ledger.batches import Batch, get_batch, get_batch_of_run
from bursar.ledger.totals import SelectionSummary, summarize_candidates, to_json
from bursar.money import pluralize
from bursar.profiles import Profile, Settings
from bursar.profiles.settings import TransactionIds

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 2_000
_ANY_IDS = TransactionIds()
MAX_ID = 2**63 - 1
"""The largest id in the ledger."""


@dataclass(frozen=True)
class FineDecision:
    """The decision about a fine with a balance, or a reversal: `reason` is a `SkipReason`, or None if it is exported.

    `is_reversal`: it reverses, in whole or in part, a charge that the profile's bursar holds or held.
    """

    fine_id: int
    user_id: int
    patron_name: str
    identifier: str | None
    fine_fee_type: str
    created_at: datetime
    currency: str
    amount: Decimal
    is_reversal: bool
    reason: str | None


def select_fines(
    engine: Engine,
    profile: Profile,
    settings: Settings,
    *,
    run_id: str,
    as_of: datetime,
    dry_run: bool = False,
    requested_by: str | None = None,
) -> Batch:
    """Selects the fines of a run of a profile into a batch and claims them; a repeated call returns that batch.

    `as_of` (aware) is the moment from which the ages of fines are measured. The selection is one transaction, during
    which no balance changes: two runs, or two profiles, can't select the same fine. A `dry_run` claims nothing: its
    batch only shows which fines would be exported, under transaction ids that no other line gets.
    `requested_by` is the person who triggered the run, None for the schedule.

    Raises:
        BursarError: the transaction ids are used up, the identifier pattern is not valid, a total is longer than its
            column in the layout, or the files are encrypted and this machine can't; nothing was selected.
    """
    log.info("Selecting the fines that are due, once no other job changes balances.")
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_fines_table"))
        if existing := get_batch_of_run(connection, profile.code, run_id):
            log.info("Batch %s was selected by this run before; it stays as it is.", existing.id)
            return existing
        start = settings.export_number_start
        reserved = connection.execute(query("exports/reserve_batch_id"), {"start": start}).one()
        frozen = fill_candidates(connection, profile, as_of, ids=settings.transaction_ids, batch_id=reserved.id)
        if (frozen.layout if frozen else profile.export.xml).encrypt and not dry_run:
            require_gpg()
        selection = _summarize(connection)
        first_id = _reserve_transaction_ids(connection, settings, selection.fines)
        facts = {"run_id": run_id, "as_of": as_of, "dry_run": dry_run, "requested_by": requested_by}
        batch_id = reserved.id
        values = make_batch_values(batch_id, profile.code, reserved.selected_at, profile.time_zone)
        files = _insert_batch(connection, profile, settings, values, selection, frozen, facts)
        if selection.fines:
            log.info("Freezing %s into batch %s.", pluralize(selection.fines, "fine"), batch_id)
            connection.execute(
                query("exports/insert_batch_lines"),
                {
                    "batch_id": batch_id,
                    "prefix": settings.transaction_ids.prefix,
                    "first_transaction_id": first_id,
                    "charge_profiles": [profile.code, *profile.credits_of],
                },
            )
            stored = json.dumps([file.to_json() for file in files])
            connection.execute(query("exports/insert_batch_files"), {"batch_id": batch_id, "files": stored})
            if not dry_run:
                connection.execute(query("exports/claim_fines"), {"batch_id": batch_id})
        batch = get_batch(connection, batch_id)
        if not dry_run:
            _record_reported_users(connection, batch)
    log.info(
        "As of %s, %s of %s are exported as batch %s%s.",
        f"{as_of:%Y-%m-%d %H:%M %Z}",
        pluralize(batch.fines, "fine"),
        pluralize(batch.users, "user"),
        batch.id,
        " of a dry run" if dry_run else "",
    )
    for reason, skipped in SkipReason.sort(batch.skipped).items():
        log.info("Skipped: %s, %s.", pluralize(skipped.fines, "fine"), SkipReason.describe(reason))
    return batch


def preview(
    engine: Engine, profile: Profile, *, as_of: datetime, limit: int
) -> tuple[SelectionSummary, list[FineDecision]]:
    """Returns the totals and decisions that an export would make now; changes nothing and blocks no other job.

    The totals are of all fines. The decisions are the first ones in the order of the batch, at most `limit` a reason.
    """
    with engine.begin() as connection:
        selection = evaluate_fines(connection, profile, as_of)
        return selection, list(list_decisions(connection, limit=limit))


def list_decisions(connection: Connection, *, limit: int = MAX_ID) -> Iterator[FineDecision]:
    """Yields the decisions of `evaluate_fines` in the order of the batch, at most `limit` a reason, in flat memory."""
    candidates = connection.execute(
        query("exports/list_candidates"), {"limit": limit}, execution_options={"yield_per": ROWS_AT_ONCE}
    )
    for row in candidates.mappings():
        yield FineDecision(**row)


def evaluate_fines(connection: Connection, profile: Profile, as_of: datetime) -> SelectionSummary:
    """Decides on every fine with a balance and every reversal, in the temporary table `candidates`; returns the totals.

    Raises:
        BursarError: the identifier pattern is not valid; the transaction has failed.
    """
    fill_candidates(connection, profile, as_of)
    return _summarize(connection)


def _summarize(connection: Connection) -> SelectionSummary:
    users = {row.reason: row.users for row in connection.execute(query("exports/count_candidate_users"))}
    return summarize_candidates(connection.execute(query("exports/summarize_candidates")), users)


def fill_candidates(
    connection: Connection,
    profile: Profile,
    as_of: datetime,
    *,
    first_user: int = 0,
    last_user: int = MAX_ID,
    ids: TransactionIds = _ANY_IDS,
    batch_id: int | None = None,
) -> FrozenLayout | None:
    """Decides as `evaluate_fines` on the fines of the users from `first_user` to `last_user`, by their ids.

    `ids` says how new transaction ids are made, and `batch_id` is the number of the batch, if it is known: both may be
    too long for a column. Returns the layout that the decisions are made for, None for Alma's XML.

    Raises:
        BursarError: the identifier pattern is not valid; the transaction has failed. Or as for `find_layout` and
            `skip_unfit_fines`.
    """
    export = profile.export
    layout = find_layout(profile)
    connection.execute(query("exports/create_candidates"))
    with translate_pattern_errors(connection, profile):
        connection.execute(
            query("exports/select_candidates"),
            {
                "charge_profiles": [profile.code, *profile.credits_of],
                "credits_go_elsewhere": export.credits_profile is not None,
                "created_before": created_before(as_of, export.time_before_export_days, profile.time_zone),
                "fine_fee_types": list(export.fine_fee_types),
                "institutional_fine_fee": export.institutional_fine_fee,
                "libraries": list(export.libraries),
                "user_groups": list(export.user_groups),
                "currencies": list(export.currencies),
                "minimum": export.minimum_amount_for_user or 0,
                "user_identifier_type": export.user_identifier_type,
                "identifier_pattern": export.identifier_pattern or ".*",
                "first_user": first_user,
                "last_user": last_user,
            },
        )
    connection.execute(query("exports/analyze_candidates"))
    if layout is None:
        return None
    return skip_unfit_fines(connection, profile, layout, ids, batch_id)


def created_before(as_of: datetime, days: int, time_zone: str) -> datetime:
    """Returns the latest moment of creation that is old enough: the same wall-clock time, `days` days before `as_of`.

    Days are days of the profile's time zone, so that one with a clock change has 23 or 25 hours.
    """
    return pendulum.instance(as_of).in_timezone(time_zone).subtract(days=days)


def _record_reported_users(connection: Connection, batch: Batch) -> None:
    """Records the users whom the report of this batch warns about, because no report has done so before."""
    values = {
        "profile": batch.profile,
        "batch_id": batch.id,
        "reasons": [reason for reason in SkipReason if reason.needs_correction],
    }
    connection.execute(query("exports/delete_reported_users"), values)
    connection.execute(query("exports/insert_reported_users"), values)


def _reserve_transaction_ids(connection: Connection, settings: Settings, wanted: int) -> int:
    ids = settings.transaction_ids
    first: int = connection.execute(
        query("exports/reserve_transaction_ids"), {"start": ids.start, "wanted": wanted}
    ).scalar_one()
    if first + wanted - 1 > ids.maximum:
        raise BursarError(
            f"The bursar transaction ids are used up: this export needs {wanted} from {first}, and "
            f"transaction_ids.maximum in bursar.yaml is {ids.maximum}. Nothing was selected. "
            "Raise the maximum, in agreement with the bursar."
        )
    return first


def _insert_batch(
    connection: Connection,
    profile: Profile,
    settings: Settings,
    values: BatchValues,
    selection: SelectionSummary,
    frozen: FrozenLayout | None,
    facts: dict[str, object],
) -> list[PlannedFile]:
    export = profile.export
    render_options: dict[str, object] = {
        "institution_id": settings.institution_id,
        "identifier_type": export.user_identifier_type,
        "time_zone": profile.time_zone,
        "append_time_zone_abbreviation": export.append_time_zone_abbreviation,
        "include_internal_id": export.include_internal_id,
        "xml": export.xml.model_dump(),
    }
    is_dry_run, layout = bool(facts["dry_run"]), frozen.layout if frozen else None
    files = plan_files(values, layout, dry_run=is_dry_run, endings=export.xml.endings)
    if frozen:
        render_options |= frozen.to_json()
        check_file_names(connection, profile, [file.file_name for file in files])
    connection.execute(
        query("exports/insert_batch"),
        {
            "id": values.batch,
            "profile": profile.code,
            "import_active": profile.import_.active,
            "render_options": json.dumps(render_options),
            "sftp_connection": profile.sftp_connection,
            "output_file_path": export.output_file_path,
            "users": selection.users,
            "fines": selection.fines,
            "totals": json.dumps(to_json(selection.totals)),
            "skipped": json.dumps(to_json(selection.skipped)),
        }
        | facts,
    )
    return files
