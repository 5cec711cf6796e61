"""Work in shares: each is done once, whatever becomes of the others."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Connection, text

from bursar.ledger import shares
from bursar.ledger.shares import begun, forget_shares, in_shares
from tests.library import Library

FILE = 7


class Writing:
    """Work that writes which share it did into the ledger, and can't do some."""

    def __init__(self, library: Library, cant_do: int | None = None) -> None:
        self._ledger = library.ledger
        self._cant_do = cant_do

    def do(self, fines: int = 1) -> None:
        in_shares(self._ledger, "apply", FILE, fines, self._one)

    def _one(self, connection: Connection, share: Mapping[str, int]) -> None:
        connection.execute(
            text("INSERT INTO sightings (profile, name, size, modified) VALUES ('x', :share, :shares, now())"),
            {"share": str(share["share"]), "shares": share["shares"]},
        )
        if share["share"] == self._cant_do:
            raise ValueError(share)


def done(library: Library) -> list[tuple[str, int]]:
    with library.ledger.connect() as connection:
        rows = connection.execute(text("SELECT name, size FROM sightings ORDER BY name")).all()
    return [(row.name, row.size) for row in rows]


def test_a_share_that_failed_leaves_nothing_and_is_repeated_alone(library: Library) -> None:
    with pytest.raises(ValueError, match="'share': 1"):
        Writing(library, cant_do=1).do()
    assert done(library) == [("0", 2)]
    Writing(library, cant_do=0).do()
    assert done(library) == [("0", 2), ("1", 2)]


def test_few_fines_are_one_share(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "WORTH_SHARING", 100)
    Writing(library).do(fines=99)
    assert done(library) == [("0", 1)]


def test_what_was_begun_in_some_shares_ends_in_as_many(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a newer version thinks of it: a fine would be in another share."""
    with pytest.raises(ValueError, match="'share': 1"):
        Writing(library, cant_do=1).do()
    monkeypatch.setattr(shares, "SHARES", 3)
    Writing(library).do()
    assert done(library) == [("0", 2), ("1", 2)]


def test_work_that_ended_is_forgotten(library: Library) -> None:
    Writing(library).do()
    with library.ledger.begin() as connection:
        assert begun(connection, "close", FILE) is None
        assert begun(connection, "apply", FILE) == 2
        forget_shares(connection, "apply", FILE)
        assert begun(connection, "apply", FILE) is None
