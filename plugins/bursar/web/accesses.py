"""The record of who looked at whose data: kept in the ledger, and only added to."""

from collections.abc import Iterable

from bursar.db.queries import query
from bursar.web.rights import Person
from bursar.web.views import write_ledger


def record_access(person: Person, users: Iterable[int]) -> None:
    """Records that a person sees the names of users, by their ids, on a page."""
    if seen := sorted(set(users)):
        with write_ledger() as connection:
            connection.execute(query("web/record_access"), {"person": person.name, "users": seen})


def record_download(person: Person, batch_id: int) -> None:
    """Records that a person downloads the file of a batch, which names all its users."""
    with write_ledger() as connection:
        connection.execute(query("web/record_download"), {"person": person.name, "batch_id": batch_id})


def record_load_access(person: Person, load_id: int) -> None:
    """Records that a person sees the rows of a load, whose values name people."""
    with write_ledger() as connection:
        connection.execute(query("web/record_load_access"), {"person": person.name, "load_id": load_id})
