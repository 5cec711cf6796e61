"""Says why a load was refused, without the values of rows: logs and notes have no personal data."""

from sqlalchemy import Engine

from bursar.errors import InputFileError
from bursar.sources.csv.faults import HeadingError
from bursar.sources.load_types import OlderFileError
from bursar.sources.messages import MessageKind
from bursar.sources.older_files import OLDER_FILE, advise_about_older_file
from bursar.sources.records import LoadRecord, list_load_messages

MAX_PLACES_SHOWN = 5


class RefusedSetsError(InputFileError):
    """Sets of files were refused. `loads` are those of the other sets, which have been loaded."""

    def __init__(self, message: str, loads: list[LoadRecord]) -> None:
        self.loads = loads
        super().__init__(message)


def describe_refusal(engine: Engine, record: LoadRecord, error: InputFileError, *, strict: bool) -> str:
    """Returns why a load was refused: an older file, the fault of a wrong format, or its rejected rows; what to do."""
    if isinstance(error, OlderFileError):
        return str(error)
    with engine.connect() as connection:
        found = list_load_messages(connection, record.id, MessageKind.REJECTED, limit=MAX_PLACES_SHOWN)
    places = ", ".join(dict.fromkeys(f"{message.place} ({message.code})" for message in found))
    cause = "and with --strict one is too many" if strict else "so it is most likely the wrong file"
    wrong_rows = f"{describe_rejected(record)}, {cause}. First: {places}"
    remedy = "To load the other rows, put the files back and load without --strict. Or have" if strict else "Have"
    return (
        f"{describe_format(error) or wrong_rows}. {remedy} correct files written "
        f"(`bin/bursar sources loads rejects {record.id}` lists the rows with what to do)"
    )


def describe_rejected(record: LoadRecord) -> str:
    """Says how many rows of a load were rejected, by the codes of the reasons."""
    if OLDER_FILE in record.rejected:
        return "a file is older than one that was loaded before"
    counts = record.counts
    if record.is_refused and not counts.rows:
        return "the heading of a file is wrong, or its rows can't be separated"
    reasons = ", ".join(f"{count:,} {code.replace('_', ' ')}" for code, count in record.rejected.items())
    if counts.rejected > counts.rows:
        return f"{counts.rejected:,} rows were rejected, with those that earlier loads deferred ({reasons})"
    return f"{counts.rejected:,} of {counts.rows:,} rows were rejected ({reasons})"


def describe_remedy(record: LoadRecord) -> str:
    """Says what to do about a refused load, in a sentence or two."""
    if OLDER_FILE in record.rejected:
        advice = advise_about_older_file(record.source)
        return f"{advice[0].upper()}{advice[1:]}."
    return "It is most likely the wrong file. Have a correct one written, and load that."


def describe_format(error: InputFileError) -> str:
    """Returns the place and the fault of a file in a wrong format; blank for an error whose text may name people."""
    if not isinstance(error, HeadingError) or not error.about_format:
        return ""
    return f"{error.path.name}:{error.line}: {'; '.join(error.faults)}"
