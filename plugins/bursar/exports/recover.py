"""Recovers unfinished batches: closes those that may have been delivered, and releases the others."""

import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BatchError, UnclearDeliveryError
from bursar.exports import approval
from bursar.exports.close import close_fines
from bursar.exports.unclear import describe_unclear_batch
from bursar.exports.upload import OpenFolder, upload_file
from bursar.exports.upload_lock import upload_lock
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalSubject
from bursar.ledger.batches import Batch, BatchState, advance, get_batch, get_unfinished_batches
from bursar.ledger.deliveries import DeliveryState
from bursar.money import pluralize
from bursar.profiles.monitoring import Approval
from bursar.profiles.upload import DEFAULT_UPLOAD, UploadSettings
from bursar.work_dir import sweep

log = logging.getLogger(__name__)


def release_batch(
    engine: Engine,
    batch_id: int,
    *,
    confirmed_not_received: bool = False,
    look: Callable[[Batch], None] = lambda _batch: None,
    by: str | None = None,
    closed_by_run_id: str | None = None,
) -> Batch:
    """Releases a batch, so that the next export selects its fines again; a released batch is not changed.

    `confirmed_not_received` says that a person has asked the bursar. Without it, a batch that may be on the server is
    not released. With it, `look` may look at the server and raise a BatchError, as `release_check` does. `by` is the
    person who releases the batch, None for a run. `closed_by_run_id` is as in `close_fines`.

    Raises:
        BatchError: the batch is closed, some of its fines are, or the bursar may have its file.
        TransientError: another worker is delivering it.
    """
    with upload_lock(engine, batch_id):
        if confirmed_not_received:
            with engine.connect() as connection:
                batch = get_batch(connection, batch_id)
            check_releasable(batch)
            look(batch)  # nobody can change the delivery meanwhile
        return _release(engine, batch_id, confirmed_not_received, by, closed_by_run_id)


def _release(
    engine: Engine,
    batch_id: int,
    confirmed_not_received: bool,  # noqa: FBT001
    by: str | None,
    closed_by_run_id: str | None,
) -> Batch:
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_batch_exclusively"), {"batch_id": batch_id})
        batch = get_batch(connection, batch_id)
        if batch.state is BatchState.RELEASED:
            return batch
        if batch.dry_run:
            raise BatchError(f"Batch {batch_id} is a dry run and holds no fines.")
        if batch.state is BatchState.CLOSED:
            raise BatchError(f"Batch {batch_id} is closed: the bursar has its file and its fines are exported.")
        check_releasable(batch)
        if batch.state.may_be_delivered and not confirmed_not_received:
            raise BatchError(
                f"Batch {batch_id} is {batch.state.description}: {batch.file_name} may be in {batch.remote_folder}. "
                "Released now, its fines could be billed twice. Repeat the upload instead; or look there, ask the "
                "bursar, and release it once the bursar has confirmed not to have it (`--confirm-not-received`)."
            )
        if connection.execute(query("exports/count_closed_partitions"), {"batch_id": batch_id}).one().partition_count:
            raise BatchError(f"Some fines of batch {batch_id} are closed already. Repeat the task that closes them.")
        connection.execute(query("exports/release_claims"), {"batch_id": batch_id})
        advance(connection, batch_id, "released", after=batch.state, released_by=by, closed_by_run_id=closed_by_run_id)
        log.warning("Released batch %s: %s open again.", batch_id, pluralize(batch.fines, "fine"))
        return get_batch(connection, batch_id)


def check_releasable(batch: Batch) -> None:
    """Raises a BatchError if some of the batch's files have been delivered: its fines would be sent again."""
    if batch.has_delivered_files and batch.state is not BatchState.RELEASED:
        delivered = [file.name for file in batch.files if file.state is DeliveryState.DELIVERED]
        raise BatchError(
            f"Batch {batch.id} can't be released: {', '.join(delivered)} has been delivered, and its fines would be "
            "billed twice. Repeat the upload, which sends the other files. If one of them is unclear and the bursar "
            f"does not have it, have it uploaded again (`bin/bursar batches repeat-upload {batch.id}`)."
        )


def clear_work_dirs(engine: Engine, work_dir: Path) -> int:
    """Removes the working folders of all profiles that no task on this machine uses; returns their number.

    Those of unfinished exports stay: their files name no deleted user.
    """
    with engine.connect() as connection:
        unfinished = {batch.id for batch in get_unfinished_batches(connection)}
    return sum(sweep(folder, unfinished) for folder in sorted(work_dir.glob("*")) if folder.is_dir())


def record_answer(engine: Engine, batch_id: int, answer: ApprovalAnswer, *, by: str | None) -> Batch:
    """Records the answer to a request for approval, and releases the batch unless it is approved.

    The first answer counts. A repeated call completes one that was killed.

    Raises:
        BursarError: the batch has another answer, or nobody was asked about it, or the bursar may have its file.
    """
    with engine.begin() as connection:
        approvals.record_answer(connection, ApprovalSubject(batch_id=batch_id), answer, by=by)
        batch = get_batch(connection, batch_id)
    log.info("The recorded answer for batch %s: %s.", batch_id, answer)  # people are named in the ledger only
    return batch if answer is ApprovalAnswer.APPROVED else release_batch(engine, batch_id, by=by)


def recover_unfinished_batches(
    engine: Engine,
    profile: str,
    *,
    run_id: str,
    is_running: Callable[[str], bool],
    open_folder: OpenFolder,
    work_dir: Path,
    settings: UploadSettings = DEFAULT_UPLOAD,
) -> list[Batch]:
    """Completes the unfinished batches of earlier runs of a profile, and returns the completed ones.

    Batches that may have been delivered are closed, others are released. Skips the batches of this run and of runs for
    which `is_running` returns True, and unclear ones, on which a person decides. Removes unused working folders from
    this machine.
    """
    with engine.connect() as connection:
        unfinished = get_unfinished_batches(connection)
    sweep(work_dir, {batch.id for batch in unfinished})
    completed = []
    for batch in unfinished:
        if batch.profile != profile or batch.run_id == run_id:
            continue
        if is_running(batch.run_id):
            log.info("Batch %s belongs to %s, which is still running; it is not changed.", batch.id, batch.run_id)
        elif batch.state is BatchState.UNCLEAR:
            with engine.connect() as connection:
                log.warning("%s", describe_unclear_batch(connection, batch))
        elif batch.state.may_be_delivered:
            log.warning(
                "Batch %s of %s was left in the state %s; it is completed now.", batch.id, batch.run_id, batch.state
            )
            approval.require_approved(engine, batch.id, Approval())  # the limits were compared before its upload began
            try:
                upload_file(engine, batch.id, open_folder, work_dir, settings)
            except UnclearDeliveryError as error:
                log.warning("%s", error)  # a person has to decide; the other batches are completed
                continue
            completed.append(close_fines(engine, batch.id, closed_by_run_id=run_id))
        else:
            completed.append(release_batch(engine, batch.id, closed_by_run_id=run_id))
    return completed
