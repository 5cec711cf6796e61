"""What the log of a long task says on the way."""

from collections.abc import Iterator

import pytest

from bursar.progress import log_progress, transfer_progress


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


def lines(caplog: pytest.LogCaptureFixture, items: int, seconds: float, total: int | None) -> list[str]:
    clock = ticking(seconds)
    with caplog.at_level("INFO", "bursar.progress"):
        assert list(log_progress(range(items), "Wrote fines", total, clock=lambda: next(clock))) == list(range(items))
    return [record.getMessage() for record in caplog.records]


def test_counts_rate_and_time_left_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, 2000, 5, 100_000) == [
        "Wrote fines: 1,000 of 100,000 (100 a second), about 16 minutes left.",
        "Wrote fines: 2,000 of 100,000 (100 a second), about 16 minutes left.",
    ]


def test_blocks_count_as_what_is_in_them(caplog: pytest.LogCaptureFixture) -> None:
    clock = ticking(10)
    with caplog.at_level("INFO", "bursar.progress"):
        list(log_progress("abc", "Wrote fines", 2_500, each=1_000, clock=lambda: next(clock)))
    assert caplog.records[1].getMessage() == "Wrote fines: 2,000 of 2,500 (100 a second), about 5 seconds left."
    assert caplog.records[2].getMessage().startswith("Wrote fines: 2,500 of 2,500")


def test_without_a_total_nothing_is_said_about_the_end(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, 1000, 10, None) == [
        "Wrote fines: 500 so far (50 a second).",
        "Wrote fines: 1,000 so far (50 a second).",
    ]


def test_what_is_quick_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, 5000, 0.5, 5000) == []


def test_the_progress_of_a_file_is_logged_in_megabytes(caplog: pytest.LogCaptureFixture) -> None:
    clock = ticking(6)
    with caplog.at_level("INFO", "bursar.progress"):
        sent = transfer_progress("Sent fines.xml", 1_240_000_000, clock=lambda: next(clock))
        for _ in range(4):
            sent(b"\0" * 120_000_000)
    assert [record.getMessage() for record in caplog.records] == [
        "Sent fines.xml: 240 MB of 1,240 MB (20 MB a second), about 50 seconds left.",
        "Sent fines.xml: 480 MB of 1,240 MB (20 MB a second), about 38 seconds left.",
    ]


def test_a_slow_line_has_decimals(caplog: pytest.LogCaptureFixture) -> None:
    clock = ticking(10)
    with caplog.at_level("INFO", "bursar.progress"):
        transfer_progress("Sent fines.xml", 8_500_000, clock=lambda: next(clock))(b"\0" * 512_000)
    assert caplog.records[0].getMessage() == (
        "Sent fines.xml: 0.51 MB of 8.50 MB (0.05 MB a second), about 3 minutes left."
    )
