"""The progress of long tasks in the log."""

from collections.abc import Iterator

import pytest

from bursar.progress import log_progress, transfer_progress


def tick(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


def log_items(caplog: pytest.LogCaptureFixture, items: int, seconds: float, total: int | None) -> list[str]:
    clock = tick(seconds)
    with caplog.at_level("INFO", "bursar.progress"):
        assert list(log_progress(range(items), "Wrote fines", total, clock=lambda: next(clock))) == list(range(items))
    return [record.getMessage() for record in caplog.records]


def test_the_log_has_counts_rate_and_time_left_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    assert log_items(caplog, 2000, 5, 100_000) == [
        "Wrote fines: 1,000 of 100,000 (100 a second), about 16 minutes left.",
        "Wrote fines: 2,000 of 100,000 (100 a second), about 16 minutes left.",
    ]


def test_a_block_counts_as_its_number_of_items(caplog: pytest.LogCaptureFixture) -> None:
    clock = tick(10)
    with caplog.at_level("INFO", "bursar.progress"):
        list(log_progress("abc", "Wrote fines", 2_500, each=1_000, clock=lambda: next(clock)))
    assert caplog.records[1].getMessage() == "Wrote fines: 2,000 of 2,500 (100 a second), about 5 seconds left."
    assert caplog.records[2].getMessage().startswith("Wrote fines: 2,500 of 2,500")


def test_without_a_total_the_log_has_no_time_left(caplog: pytest.LogCaptureFixture) -> None:
    assert log_items(caplog, 1000, 10, None) == [
        "Wrote fines: 500 so far (50 a second).",
        "Wrote fines: 1,000 so far (50 a second).",
    ]


def test_a_quick_task_logs_no_progress(caplog: pytest.LogCaptureFixture) -> None:
    assert log_items(caplog, 5000, 0.5, 5000) == []


def test_the_progress_of_a_file_is_logged_in_megabytes(caplog: pytest.LogCaptureFixture) -> None:
    clock = tick(6)
    with caplog.at_level("INFO", "bursar.progress"):
        report_block = transfer_progress("Sent fines.xml", 1_240_000_000, clock=lambda: next(clock))
        for _ in range(4):
            report_block(b"\0" * 120_000_000)
    assert [record.getMessage() for record in caplog.records] == [
        "Sent fines.xml: 240 MB of 1,240 MB (20 MB a second), about 50 seconds left.",
        "Sent fines.xml: 480 MB of 1,240 MB (20 MB a second), about 38 seconds left.",
    ]


def test_the_rate_of_a_slow_connection_has_decimals(caplog: pytest.LogCaptureFixture) -> None:
    clock = tick(10)
    with caplog.at_level("INFO", "bursar.progress"):
        transfer_progress("Sent fines.xml", 8_500_000, clock=lambda: next(clock))(b"\0" * 512_000)
    assert caplog.records[0].getMessage() == (
        "Sent fines.xml: 0.51 MB of 8.50 MB (0.05 MB a second), about 3 minutes left."
    )
