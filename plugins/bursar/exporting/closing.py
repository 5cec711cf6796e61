"""Closing: the end of a batch. Delivered, its fines are closed; never sent, they are let go."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError, UnclearDeliveryError
from bursar.exporting import approval
from bursar.exporting.delivery import OpenFolder, deliver
from bursar.exporting.delivery_lock import delivery_lock
from bursar.exporting.upload import unclear_delivery
from bursar.ledger.batches import Batch, State, batch, record_step, unfinished_batches
from bursar.ledger.shares import in_shares, shares_of
from bursar.ledger.statements import statement
from bursar.money import many
from bursar.profiles.oversight import Approval
from bursar.work_dir import sweep

log = logging.getLogger(__name__)


def close_fines(engine: Engine, batch_id: int, *, ended_by: str | None = None) -> Batch:
    """Closes the fines of a delivered batch; a closed batch is left alone.

    Few are closed in one transaction, many in shares. The batch holds its fines until all are closed, so that nothing
    else is done with those that are. `ended_by` is the run that does it for another run, which left the batch.

    Raises:
        BatchError: the batch was not delivered, or its lines and its claims don't agree: nothing was changed. Or its
            shares don't agree with it: its fines stay held.
    """
    with engine.begin() as connection:
        found = batch(connection, batch_id, lock=True)
        if found.state is State.CLOSED:
            log.info("Batch %s was closed before, at %s.", batch_id, found.closed_at)
            return found
        if found.state is not State.DELIVERED:
            raise BatchError(
                f"Batch {batch_id} is {found.state}: only a delivered batch can be closed. Repeat its upload first."
            )
        this = {"batch_id": batch_id}
        held = connection.execute(statement("export/held"), this).one()
        if not held.lines == held.claims == found.fines:
            raise _uneven(found, f"{many(held.lines, 'line')} and {many(held.claims, 'claim')}")
        log.info("Closing the %s of batch %s.", many(found.fines, "fine"), batch_id)
        begun = connection.execute(statement("export/closed_shares"), this).one()
        in_shares(connection, begun.shares or shares_of(found.fines), partial(close_share, found))
        closed = connection.execute(statement("export/closed_shares"), this).one()
        let_go = connection.execute(statement("export/release_claims"), this).rowcount
        if closed.uneven or not closed.fines == let_go == found.fines:
            raise _uneven(found, f"{closed.fines} closed in shares and {let_go} claims")
        record_step(connection, batch_id, "closed", after=State.DELIVERED, ended_by=ended_by)
        connection.execute(statement("export/set_off_credits"), this)
        ended = batch(connection, batch_id)
    log.info("Closed the %s of batch %s.", many(ended.fines, "fine"), batch_id)
    return ended


def close_share(found: Batch, connection: Connection, share: Mapping[str, int]) -> None:
    """Closes the fines of a share (see `in_shares`), unless that was done before.

    Whoever was taken for dead may come here late: then the batch is closed, or was released.
    """
    this = {"batch_id": found.id, **share}
    fines = connection.execute(statement("export/take_share"), this).scalar()
    if fines is None:
        return
    if not connection.execute(statement("export/is_delivered"), this).scalar_one():
        raise BatchError(f"Batch {found.id} was closed or released meanwhile; this changed nothing.")
    connection.execute(statement("export/lock_reversed"), this)
    entries = connection.execute(statement("export/journal_entries"), this).rowcount
    if entries != fines:
        raise _uneven(
            found, f"{many(entries, 'line')} and {many(fines, 'claim')} in share {share['share']} of {share['shares']}"
        )


def _uneven(found: Batch, what: str) -> BatchError:
    return BatchError(
        f"Batch {found.id} was not closed: it has {many(found.fines, 'fine')}, but {what}. The ledger was changed by "
        "hand; compare lines, claims and closed_shares before this task is repeated."
    )


def release(
    engine: Engine, batch_id: int, *, bursar_has_not_got_it: bool = False, ended_by: str | None = None
) -> Batch:
    """Lets the fines of a batch go, so that the next export selects them afresh; a released batch is left alone.

    `bursar_has_not_got_it` is a person's word: without it, a batch that may have reached the server stays.
    `ended_by` is as in `close_fines`.

    Raises:
        BatchError: the batch is closed, or begun to be, or may have reached the bursar.
        PassingError: a worker is delivering it at this moment.
    """
    with delivery_lock(engine, batch_id), engine.begin() as connection:
        connection.execute(statement("batches/lock_out"), {"batch_id": batch_id})
        found = batch(connection, batch_id)
        if found.state is State.RELEASED:
            return found
        if found.dry_run:
            raise BatchError(f"Batch {batch_id} is a dry run and holds no fines.")
        if found.state is State.CLOSED:
            raise BatchError(f"Batch {batch_id} is closed: the bursar has its file and its fines are exported.")
        if found.state.may_have_reached_the_bursar and not bursar_has_not_got_it:
            raise BatchError(
                f"Batch {batch_id} is {found.state}: {found.file_name} may be in {found.remote_folder}. Released now, "
                "its fines could be billed twice. Repeat the upload instead; or look there, ask the bursar, and "
                "release it with --bursar-has-not-got-it."
            )
        if connection.execute(statement("export/closed_shares"), {"batch_id": batch_id}).one().shares:
            raise BatchError(f"Some fines of batch {batch_id} are closed already. Repeat the closing, which ends it.")
        connection.execute(statement("export/release_claims"), {"batch_id": batch_id})
        record_step(connection, batch_id, "released", after=found.state, ended_by=ended_by)
        log.warning("Released batch %s: %s open again.", batch_id, many(found.fines, "fine"))
        return batch(connection, batch_id)


def clear_work_dirs(engine: Engine, staging_folder: Path) -> int:
    """Removes the working folders of all profiles that no task of this machine uses; returns how many there were.

    Those of exports under way stay: they hold no fine of a deleted user.
    """
    with engine.connect() as connection:
        unfinished = {found.id for found in unfinished_batches(connection)}
    return sum(sweep(folder, unfinished) for folder in sorted(staging_folder.glob("*")) if folder.is_dir())


def record_answer(engine: Engine, batch_id: int, answer: approval.Answer, *, by: str | None) -> Batch:
    """Records the answer to a request for approval, and releases the batch unless it is approved.

    The first answer counts. A repeated call completes one that was killed.

    Raises:
        BatchError: the batch has another answer, or nobody was asked about it, or it may have reached the bursar.
    """
    with engine.begin() as connection:
        connection.execute(statement("approvals/answer"), {"batch_id": batch_id, "answer": answer, "answered_by": by})
        known = approval.waiting(connection, batch_id)
        if known is None or known.answer != answer:
            raise BatchError(f"Batch {batch_id} was {known.answer if known else 'not asked about'} before.")
        found = batch(connection, batch_id)
    log.info("Batch %s is %s by %s.", batch_id, answer, by or "nobody")
    return found if answer == "approved" else release(engine, batch_id)


def finish_earlier_batches(
    engine: Engine,
    profile: str,
    *,
    run: str,
    is_running: Callable[[str], bool],
    open_folder: OpenFolder,
    work_dir: Path,
) -> list[Batch]:
    """Completes what earlier runs of a profile left: batches that may have been sent are closed, others released.

    Batches of this `run`, and of runs for which `is_running` says yes, are left to them; unclear ones are left to a
    person. Working folders that ended tasks left on this machine are removed. Returns the batches that were completed.
    """
    with engine.connect() as connection:
        unfinished = unfinished_batches(connection)
    sweep(work_dir, {found.id for found in unfinished})
    ended = []
    for found in unfinished:
        if found.profile != profile or found.run == run:
            continue
        if is_running(found.run):
            log.info("Batch %s belongs to %s, which is still running; its fines stay with it.", found.id, found.run)
        elif found.state is State.UNCLEAR:
            log.warning("%s", unclear_delivery(found))
        elif found.state.may_have_reached_the_bursar:
            log.warning("Batch %s of %s was left %s; it is completed now.", found.id, found.run, found.state)
            approval.require_approved(engine, found.id, Approval())  # the limits were compared before its upload began
            try:
                deliver(engine, found.id, open_folder, work_dir)
            except UnclearDeliveryError as error:
                log.warning("%s", error)  # its fines wait for a person; the others go on
                continue
            ended.append(close_fines(engine, found.id, ended_by=run))
        else:
            ended.append(release(engine, found.id, ended_by=run))
    return ended
