"""Partitions: each is a transaction of its own."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Connection, text

from bursar.db.partitions import count_partitions, run_partitioned
from tests.support.fixtures import Library

WRITE = text(
    "INSERT INTO observed_files (profile, name, size, modified)"
    " VALUES ('x', CAST(:partition_number AS text), :partition_count, now())"
)


def run_and_list(library: Library, partition_count: int, failing_partition: int | None = None) -> list[str]:
    """Runs partitions that write one row each, and of which one may fail; returns the committed rows."""

    def write(connection: Connection, partition: Mapping[str, int]) -> None:
        connection.execute(WRITE, partition)
        if partition["partition_number"] == failing_partition:
            raise ValueError(failing_partition)

    try:
        with library.ledger.begin() as connection:
            run_partitioned(connection, partition_count, write)
    except ValueError:
        assert failing_partition is not None
    with library.ledger.connect() as connection:
        return list(connection.execute(text("SELECT name || ' of ' || size FROM observed_files ORDER BY 1")).scalars())


def test_each_partition_is_run_once(library: Library) -> None:
    assert run_and_list(library, 2) == ["0 of 2", "1 of 2"]


def test_a_failed_partition_rolls_back_no_other(library: Library) -> None:
    assert run_and_list(library, 2, failing_partition=1) == ["0 of 2"]


@pytest.mark.parametrize(("failing_partition", "rows"), [(None, ["0 of 1"]), (0, [])])
def test_a_single_partition_runs_in_the_transaction_of_its_caller(
    library: Library, failing_partition: int | None, rows: list[str]
) -> None:
    assert run_and_list(library, 1, failing_partition) == rows


@pytest.mark.parametrize(("fines", "partitions"), [(0, 1), (19_999, 1), (20_000, 2)])
def test_only_many_fines_are_partitioned(fines: int, partitions: int) -> None:
    assert count_partitions(fines) == partitions
