"""Work in shares: several transactions, none of which undoes another."""

import pytest
from sqlalchemy import Connection, text

from bursar.db import partitions
from bursar.db.partitions import run_partitioned
from tests.support.fixtures import Library

WRITE = text(
    "INSERT INTO observed_files (profile, name, size, modified) VALUES ('x', :partition_number, :partition_count, "
    "now())"
)


def written(library: Library, number: int, cant_do: int | None = None) -> list[str]:
    """The shares that are there after work in shares, one of which fails."""

    def do(connection: Connection, share: dict[str, int]) -> None:
        connection.execute(
            WRITE, {"partition_number": str(share["partition_number"]), "partition_count": share["partition_count"]}
        )
        if share["partition_number"] == cant_do:
            raise ValueError(share)

    try:
        with library.ledger.begin() as connection:
            run_partitioned(connection, number, do)  # type: ignore[arg-type]
    except ValueError:
        assert cant_do is not None
    with library.ledger.connect() as connection:
        return list(connection.execute(text("SELECT name || ' of ' || size FROM observed_files ORDER BY 1")).scalars())


def test_each_share_is_done(library: Library) -> None:
    assert written(library, 2) == ["0 of 2", "1 of 2"]


def test_a_share_that_fails_leaves_nothing_and_undoes_no_other(library: Library) -> None:
    assert written(library, 2, cant_do=1) == ["0 of 2"]


@pytest.mark.parametrize(("cant_do", "there"), [(None, ["0 of 1"]), (0, [])])
def test_a_single_share_is_done_in_the_transaction_of_its_caller(
    library: Library, cant_do: int | None, there: list[str]
) -> None:
    assert written(library, 1, cant_do) == there


def test_few_fines_are_not_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PARTITION_THRESHOLD", 20_000)
    assert (partitions.count_partitions(19_999), partitions.count_partitions(20_000)) == (1, 2)
