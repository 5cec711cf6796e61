"""Progress of long work, told to the log of a task now and then."""

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
    """The items themselves; while they are worked off, a line every few seconds says how many, how fast, how long yet.

    `doing` begins the line and says what the items are, as in `Wrote fines`. Without a `total` nothing is said about
    the time left. What takes less than a few seconds says nothing. An item may stand for several, `each` of them.
    """
    progress = _Progress(doing, total, "", clock)
    looks = max(1, _LOOK_EVERY // each)
    for step, item in enumerate(items, start=1):
        yield item
        if step % looks == 0:
            progress.at(min(step * each, total or step * each))


def transfer_progress(doing: str, size: int, *, clock: Clock = time.monotonic) -> Callable[[bytes], None]:
    """Returns a function to call with each block of a file of `size` bytes; it logs as `log_progress` does, in MB."""
    progress = _Progress(doing, size / _MEGABYTE, " MB", clock)
    moved = 0

    def tell(block: bytes) -> None:
        nonlocal moved
        moved += len(block)
        progress.at(moved / _MEGABYTE)

    return tell


class _Progress:
    """How far something has come since this was made."""

    def __init__(self, doing: str, total: float | None, unit: str, clock: Clock) -> None:
        self._doing = doing
        self._total = total
        self._unit = unit
        self._clock = clock
        self._began = self._told_at = clock()

    def at(self, number: float) -> None:
        """Says so, if nothing was said for a few seconds."""
        now = self._clock()
        if now - self._told_at < INTERVAL_SECONDS:
            return
        self._told_at = now
        rate = number / (now - self._began)
        if self._total:
            left = _in_words((self._total - number) / rate)
            read = self._read(number, self._total, rate)
            log.info("%s: %s of %s (%s a second), about %s left.", self._doing, *read, left)
        else:
            log.info("%s: %s so far (%s a second).", self._doing, *self._read(number, rate))

    def _read(self, *numbers: float) -> list[str]:
        return [f"{number:,.{0 if number >= 10 else 2}f}{self._unit}" for number in numbers]  # noqa: PLR2004  slow lines


def _in_words(seconds: float) -> str:
    return pluralize(round(seconds), "second") if seconds < 100 else pluralize(round(seconds / 60), "minute")  # noqa: PLR2004  near enough
