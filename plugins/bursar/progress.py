"""Logs the progress of long work, a line every few seconds."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from bursar.money import pluralize

log = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], float]

INTERVAL_SECONDS = 10  # seconds between two lines in the log
_LOOK_EVERY = 500  # items between two looks at the clock
_MEGABYTE = 1_000_000


def log_progress(
    items: Iterable[T],
    doing: str,
    total: int | None = None,
    *,
    each: int = 1,
    clock: Clock = time.monotonic,
) -> Iterator[T]:
    """Yields the items, and logs every few seconds how many there were, how many a second, and the time that is left.

    `doing` begins the line and names the items, as in `Wrote fines`. Without a `total` the line has no time left. Work
    of less than a few seconds logs nothing. `each` is the number of things that an item counts for.
    """
    progress = _Progress(doing, total, "", clock)
    looks = max(1, _LOOK_EVERY // each)
    for step, item in enumerate(items, start=1):
        yield item
        if step % looks == 0:
            progress.update(min(step * each, total or step * each))


def transfer_progress(doing: str, size: int, *, clock: Clock = time.monotonic) -> Callable[[bytes], None]:
    """Returns a function to call with each block of a file of `size` bytes; it logs as `log_progress` does, in MB."""
    progress = _Progress(doing, size / _MEGABYTE, " MB", clock)
    moved = 0

    def add(block: bytes) -> None:
        nonlocal moved
        moved += len(block)
        progress.update(moved / _MEGABYTE)

    return add


class _Progress:
    """The progress of one piece of work since it was created."""

    def __init__(self, doing: str, total: float | None, unit: str, clock: Clock) -> None:
        self._doing = doing
        self._total = total
        self._unit = unit
        self._clock = clock
        self._started_at = self._logged_at = clock()

    def update(self, number: float) -> None:
        """Logs the number of things done, if nothing was logged for a few seconds."""
        now = self._clock()
        if now - self._logged_at < INTERVAL_SECONDS:
            return
        self._logged_at = now
        rate = number / (now - self._started_at)
        if self._total:
            left = _format_duration((self._total - number) / rate)
            numbers = self._format(number, self._total, rate)
            log.info("%s: %s of %s (%s a second), about %s left.", self._doing, *numbers, left)
        else:
            log.info("%s: %s so far (%s a second).", self._doing, *self._format(number, rate))

    def _format(self, *numbers: float) -> list[str]:
        return [f"{number:,.{0 if number >= 10 else 2}f}{self._unit}" for number in numbers]  # noqa: PLR2004  slow lines


def _format_duration(seconds: float) -> str:
    return pluralize(round(seconds), "second") if seconds < 100 else pluralize(round(seconds / 60), "minute")  # noqa: PLR2004  near enough
