"""Finds the fines of records that name a user and no fine, and the records whose payment an earlier file had.

Both depend on what other files have done, so the files of a profile wait for each other, and all of it happens in the
transaction that applies the payments. Only a layout can ask for it: nothing is guessed.
"""

import logging

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.imports.unclosed_exports import require_closed_batches
from bursar.ledger.import_files import ImportFile, UserMatching, get_import_file

log = logging.getLogger(__name__)


def find_payments_of_users(connection: Connection, file: ImportFile) -> ImportFile:
    """Finds what the records of a loaded file pay, as far as their ids do not say it; returns the file.

    A payment that an earlier file had, and one that fits no fine or several, gets its outcome. A sum that is divided
    among several fines becomes as many records. The outstanding fines of the users are locked.

    Raises:
        TransientError: fines of these users are in an export that has not been closed yet.
    """
    parameters = {"file_id": file.id, "profile": file.profile}
    connection.execute(query("imports/lock_payments"), parameters)
    if file.has_payment_keys:
        repeated = connection.execute(query("imports/mark_repeated"), parameters).rowcount
        log.info("Payments of %s that an earlier file had: %s.", file.name, repeated)
    if file.user_matching is None:
        return file
    for table in ("user_records", "outstanding_fines"):
        connection.execute(query(f"imports/create_{table}"))
    connection.execute(query("imports/insert_user_records"), parameters)
    require_closed_batches(file, connection.execute(query("imports/list_unclosed_batches_of_users"), parameters).all())
    connection.execute(query("imports/insert_outstanding_fines"), parameters)
    if file.user_matching == UserMatching.REFERENCE:
        connection.execute(query("imports/find_fines_of_items"), parameters)
        return file
    connection.execute(query("imports/divide_sums"), parameters)
    connection.execute(query("imports/count_divided_records"), parameters)
    divided = get_import_file(connection, file.id)
    log.info("The %s records of %s pay %s.", file.records, file.name, divided.records)
    return divided
