"""A file of fine ids: one internal id a line, all checked before any fine is waived."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.profiles import Settings
from bursar.remote_files.file_names import is_safe_file_name
from bursar.sources.csv.load import raise_row_errors

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


def stage_fine_ids(connection: Connection, path: Path) -> None:
    """Copies a file into the temporary table `listed_fines`, in constant memory, and checks it.

    The file is UTF-8 with one internal id a line; blank lines are skipped.

    Raises:
        InvalidRowsError: lines are invalid; the message lists them.
    """
    with copy_into(connection, "listed_fines (line, fault, given)") as copy:
        for row in _read_lines(path):
            copy.write_row(row)
    connection.exec_driver_sql("ANALYZE listed_fines")
    connection.execute(query("users/parse_listed_fines"))
    connection.execute(query("sources/csv/create_row_errors"))
    connection.execute(query("users/check_listed_fines"), {"file": path.name})
    raise_row_errors(connection)


def _read_lines(path: Path) -> Iterator[tuple[int, str | None, str | None]]:
    """Yields the number of each line that is not blank, its fault or None, and its text."""
    with path.open("rb") as file:
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
