"""Recovers unfinished batches: closes those that may have been delivered, and releases the others."""

import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BatchError, UnclearDeliveryError
from bursar.exports import approval
from bursar.exports.approval import ApprovalAnswer
from bursar.exports.close import close_fines
from bursar.exports.upload import OpenFolder, upload_file
from bursar.exports.upload_lock import upload_lock
from bursar.exports.upload_protocol import unclear_delivery
from bursar.ledger.batches import Batch, BatchState, advance, get_batch, get_unfinished_batches
from bursar.money import pluralize
from bursar.profiles.monitoring import Approval
from bursar.work_dir import sweep

log = logging.getLogger(__name__)


def release_batch(
    engine: Engine, batch_id: int, *, confirmed_not_received: bool = False, closed_by_run_id: str | None = None
) -> Batch:
    """Releases a batch, so that the next export selects its fines again; a released batch is left alone.

    `confirmed_not_received` says that a person has asked the bursar. Without it, a batch that may have reached the
    server is not released.
    `closed_by_run_id` is as in `close_fines`.

    Raises:
        BatchError: the batch is closed, or begun to be, or may have reached the bursar.
        TransientError: a worker is delivering it at this moment.
    """
    with upload_lock(engine, batch_id), engine.begin() as connection:
        connection.execute(query("ledger/lock_batch_exclusively"), {"batch_id": batch_id})
        found = get_batch(connection, batch_id)
        if found.state is BatchState.RELEASED:
            return found
        if found.dry_run:
            raise BatchError(f"Batch {batch_id} is a dry run and holds no fines.")
        if found.state is BatchState.CLOSED:
            raise BatchError(f"Batch {batch_id} is closed: the bursar has its file and its fines are exported.")
        if found.state.may_be_delivered and not confirmed_not_received:
            raise BatchError(
                f"Batch {batch_id} is {found.state}: {found.file_name} may be in {found.remote_folder}. Released now, "
                "its fines could be billed twice. Repeat the upload instead; or look there, ask the bursar, and "
                "release it with --confirm-not-received."
            )
        if connection.execute(query("exports/count_closed_partitions"), {"batch_id": batch_id}).one().partition_count:
            raise BatchError(f"Some fines of batch {batch_id} are closed already. Repeat the closing, which ends it.")
        connection.execute(query("exports/release_claims"), {"batch_id": batch_id})
        advance(connection, batch_id, "released", after=found.state, closed_by_run_id=closed_by_run_id)
        log.warning("Released batch %s: %s open again.", batch_id, pluralize(found.fines, "fine"))
        return get_batch(connection, batch_id)


def clear_work_dirs(engine: Engine, work_dir: Path) -> int:
    """Removes the working folders of all profiles that no task of this machine uses; returns how many there were.

    Those of exports under way stay: they hold no fine of a deleted user.
    """
    with engine.connect() as connection:
        unfinished = {found.id for found in get_unfinished_batches(connection)}
    return sum(sweep(folder, unfinished) for folder in sorted(work_dir.glob("*")) if folder.is_dir())


def record_answer(engine: Engine, batch_id: int, answer: ApprovalAnswer, *, by: str | None) -> Batch:
    """Records the answer to a request for approval, and releases the batch unless it is approved.

    The first answer counts. A repeated call completes one that was killed.

    Raises:
        BatchError: the batch has another answer, or nobody was asked about it, or it may have reached the bursar.
    """
    with engine.begin() as connection:
        connection.execute(
            query("exports/record_approval_answer"), {"batch_id": batch_id, "answer": answer, "answered_by": by}
        )
        known = approval.get_request(connection, batch_id)
        if known is None or known.answer != answer:
            raise BatchError(f"Batch {batch_id} was {known.answer if known else 'not asked about'} before.")
        found = get_batch(connection, batch_id)
    log.info("Batch %s is %s by %s.", batch_id, answer, by or "nobody")
    return found if answer is ApprovalAnswer.APPROVED else release_batch(engine, batch_id)


def recover_unfinished_batches(
    engine: Engine,
    profile: str,
    *,
    run_id: str,
    is_running: Callable[[str], bool],
    open_folder: OpenFolder,
    work_dir: Path,
) -> list[Batch]:
    """Completes what earlier runs of a profile left: batches that may have been sent are closed, others released.

    Batches of this `run`, and of runs for which `is_running` says yes, are left to them; unclear ones are left to a
    person. Working folders that ended tasks left on this machine are removed. Returns the batches that were completed.
    """
    with engine.connect() as connection:
        unfinished = get_unfinished_batches(connection)
    sweep(work_dir, {found.id for found in unfinished})
    ended = []
    for found in unfinished:
        if found.profile != profile or found.run_id == run_id:
            continue
        if is_running(found.run_id):
            log.info("Batch %s belongs to %s, which is still running; its fines stay with it.", found.id, found.run_id)
        elif found.state is BatchState.UNCLEAR:
            log.warning("%s", unclear_delivery(found))
        elif found.state.may_be_delivered:
            log.warning("Batch %s of %s was left %s; it is completed now.", found.id, found.run_id, found.state)
            approval.require_approved(engine, found.id, Approval())  # the limits were compared before its upload began
            try:
                upload_file(engine, found.id, open_folder, work_dir)
            except UnclearDeliveryError as error:
                log.warning("%s", error)  # its fines wait for a person; the others go on
                continue
            ended.append(close_fines(engine, found.id, closed_by_run_id=run_id))
        else:
            ended.append(release_batch(engine, found.id, closed_by_run_id=run_id))
    return ended
