"""Payments of fines whose export has not closed them yet: the bursar may answer before the export ends."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from bursar.errors import TransientError
from bursar.ledger.import_files import ImportFile
from bursar.page_names import Page


def require_closed_batches(file: ImportFile, unclosed: Sequence[Row[Any]]) -> None:
    """Checks that there are no unclosed batches with fines that a file pays.

    Raises:
        TransientError: there are some: repeat the step.
    """
    if unclosed:
        batches = ", ".join(f"{row.id} of {row.profile}" for row in unclosed)
        raise TransientError(
            f"{file.name} pays fines of an export that has not closed them yet (batch {batches}). It can be applied "
            f"after that. {_describe_repetition(file)} If the export does not end, see {Page.WAITING} "
            "(`bin/bursar batches list`)."
        )


def _describe_repetition(file: ImportFile) -> str:
    """Says how the application of a file is repeated: by Airflow, or by the person who asked for it."""
    if file.repeated_arrival_id is None:
        return "Airflow repeats the task."
    return (
        f"No run does it: apply the file again under {Page.WAITING} "
        f"(`bin/bursar imports apply-again {file.repeated_arrival_id}`) when the export has ended."
    )
