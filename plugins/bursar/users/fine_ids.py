"""A list of fine ids: a file on this machine, or a list in the ledger that was uploaded in the pages.

A file has one internal id a line. All are checked before any fine is waived, and before a list is stored.
"""

from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, Engine

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.profiles import Settings
from bursar.remote_files.file_names import is_safe_file_name
from bursar.sources.load_types import MAX_ERRORS_SHOWN, InvalidRowsError

FOLDER = "fine_ids"
MAX_LINE_LENGTH = 1_000  # bytes; an id has 18 digits at most
MAX_FILE_SIZE = 64 * 1024 * 1024  # bytes: three million ids


def fine_ids_path(settings: Settings, name: str) -> Path:
    """Returns the path of a file in the folder `fine_ids` of `work_dir`, on this machine.

    Raises:
        InputFileError: the name has a folder in it, or there is no such file, or it is too large.
    """
    folder = settings.work_dir / FOLDER
    if not is_safe_file_name(name):
        raise InputFileError(f"{name!r} is no plain file name. Put the file into {folder} and give its name alone.")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise InputFileError(f"{path}: there is no such file. Put it there, on the machine where the task runs.")
    if path.stat().st_size > MAX_FILE_SIZE:
        raise InputFileError(f"{path}: more than {MAX_FILE_SIZE:,} bytes can't be fine ids. Divide the file.")
    return path


def stage_fine_ids(connection: Connection, file: BinaryIO, name: str) -> None:
    """Copies a file into the temporary table `listed_fines`, in constant memory, and checks it.

    The file is UTF-8 with one internal id a line; blank lines are skipped. `name` is its name in messages.

    Raises:
        InvalidRowsError: lines are invalid; the message lists them.
    """
    with copy_into(connection, "listed_fines (line, fault, given)") as copy:
        for row in _read_lines(file):
            copy.write_row(row)
    connection.exec_driver_sql("ANALYZE listed_fines")
    connection.execute(query("users/parse_listed_fines"))
    connection.execute(query("users/create_row_errors"))
    connection.execute(query("users/check_listed_fines"), {"file": name})
    errors = connection.execute(query("users/list_row_errors"), {"wanted": MAX_ERRORS_SHOWN}).all()
    if errors:
        raise InvalidRowsError(tuple(f"{row.file}:{row.line}: {row.message}" for row in errors), errors[0].total)


def save_fine_list(engine: Engine, file: BinaryIO, name: str, *, by: str) -> int:
    """Checks a file of fine ids and stores it in the ledger, where every machine can read it; returns its number.

    Raises:
        InvalidRowsError: lines are invalid; the message lists them, and nothing was stored.
        InputFileError: it has no fine, or is too large.
    """
    size = file.seek(0, SEEK_END)
    if size > MAX_FILE_SIZE:
        raise InputFileError(f"More than {MAX_FILE_SIZE:,} bytes can't be fine ids. Divide the file.")
    file.seek(0)
    with engine.begin() as connection:
        connection.execute(query("users/create_listed_fines"))
        stage_fine_ids(connection, file, name)
        number = connection.execute(query("users/insert_fine_list"), {"name": name, "by": by}).scalar()
    if number is None:
        raise InputFileError("The file has no fine. Write one internal id a line.")
    return int(number)


def stage_fine_list(connection: Connection, number: int) -> None:
    """Copies a list of the ledger into the temporary table `listed_fines`; its fines were checked when it was stored.

    Raises:
        InputFileError: there is no such list.
    """
    if not connection.execute(query("users/stage_fine_list"), {"number": number}).rowcount:
        raise InputFileError(f"There is no list of fines {number}. It may have been deleted: upload it again.")


def _read_lines(file: BinaryIO) -> Iterator[tuple[int, str | None, str | None]]:
    """Yields the number of each line that is not blank, its fault or None, and its text."""
    number = 0
    while line := file.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > MAX_LINE_LENGTH:
            yield number, "longer than any fine id; nothing was read from here on", None
            return
        try:
            fine_id = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            yield number, "not UTF-8; save the file in that encoding", None
            continue
        if "\0" in fine_id:
            yield number, "a NUL character: this is no text file", None
        elif fine_id:
            yield number, None, fine_id
