"""Sending a batch again: the very same bytes, to the same folder, because a person asks for it.

The bursar lost the file, or read half of it. Nothing is selected and nothing closed: the fines were exported before,
and the transaction ids in the file are those that the bursar knows. Each run sends a batch again at most once, whatever
is killed on the way, by the steps of `delivery`.
"""

import logging
from dataclasses import replace

from sqlalchemy import Engine, text

from bursar.errors import BatchError, RemoteFolderError
from bursar.exporting.delivery import OpenFolder, bring, only_one_delivers
from bursar.exporting.document import build_document
from bursar.ledger.batches import Batch, State, Step, batch
from bursar.ledger.statements import statement
from bursar.staging import Folder

log = logging.getLogger(__name__)


def sendable_again(engine: Engine, profile: str, batch_id: int) -> Batch:
    """A batch that can be sent again: one of this profile that was delivered, and has fines.

    Raises:
        BatchError: there is no such batch, or it can't be sent again; the message says what to do.
    """
    with engine.connect() as connection:
        found = batch(connection, batch_id)
    if found.profile != profile:
        raise BatchError(f"Batch {batch_id} belongs to the profile {found.profile}, not to {profile}. Run that export.")
    if found.state is not State.CLOSED or not found.fines:
        what = "empty" if found.state is State.CLOSED else found.state
        raise BatchError(
            f"Batch {batch_id} is {what}, and only what was delivered and closed can be sent again. "
            "`bin/bursar batches --all` lists what was sent."
        )
    return found


def send_again(
    engine: Engine,
    profile: str,
    batch_id: int,
    *,
    run: str,
    requested_by: str | None,
    open_folder: OpenFolder,
    staging: Folder,
) -> Batch:
    """Brings the file of a closed batch into its folder once more and records who asked for it; once in a run.

    Raises:
        PassingError: the server can't be reached, or another worker is sending this batch: try again.
        RemoteFolderError: the server refuses, or the file still lies there.
        BatchError: the batch can't be sent again, its file can't be built as it was, or the connection leads elsewhere.
    """
    found = sendable_again(engine, profile, batch_id)
    this = {"batch_id": batch_id, "run": run}
    with only_one_delivers(engine, batch_id):
        document = build_document(engine, batch_id, staging)
        with engine.begin() as connection:
            connection.execute(statement("resends/request"), this | {"requested_by": requested_by})
            resend = connection.execute(statement("resends/get"), this).one()
        if resend.state == State.DELIVERED:
            log.info("This run sent batch %s again before, at %s.", batch_id, resend.delivered_at)
            return found

        def record(step: Step, after: State, **facts: str) -> None:
            assignments = ", ".join([f"{step}_at = clock_timestamp()", *(f"{name} = :{name}" for name in facts)])
            with engine.begin() as connection:
                connection.execute(
                    text(f"UPDATE resends SET {assignments} WHERE id = :id AND state = :after"),
                    {"id": resend.id, "after": after, **facts},
                )

        with open_folder(found) as folder:
            if folder.address != found.remote_folder:
                raise BatchError(
                    f"Batch {batch_id} went to {found.remote_folder}, but connection {found.sftp_connection} now leads "
                    f"to {folder.address}. It is only sent again to where it went: point the connection back, or give "
                    f"the bursar the file by hand; `bin/bursar batches file {batch_id}` builds it."
                )
            if resend.state == State.DOCUMENTED and folder.size(found.file_name) is not None:
                raise RemoteFolderError(
                    f"{found.file_name} still lies in {folder.address}: the bursar has not taken it yet. It was not "
                    "sent again. Ask the bursar to read it, or have it moved away first."
                )
            bring(
                replace(found, state=State(resend.state), remote_folder=resend.remote_folder), document, folder, record
            )
    log.info("Sent batch %s again: %s, the same %s bytes.", batch_id, found.file_name, document.size)
    return found
