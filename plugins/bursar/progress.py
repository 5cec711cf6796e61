"""Progress of long work, told to the log of a task now and then."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

EVERY = 10  # seconds between two lines in the log
_LOOK_EVERY = 500  # items between two looks at the clock


def told(
    items: Iterable[T],
    doing: str,
    total: int | None = None,
    *,
    each: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """The items themselves; while they are worked off, a line every few seconds says how many, how fast, how long yet.

    `doing` begins the line and says what the items are, as in `Wrote fines`. Without a `total` nothing is said about
    the time left. What takes less than a few seconds says nothing. An item may stand for several, `each` of them.
    """
    began = told_at = clock()
    looks = max(1, _LOOK_EVERY // each)
    for step, item in enumerate(items, start=1):
        yield item
        if step % looks == 0 and (now := clock()) - told_at >= EVERY:
            told_at = now
            number = min(step * each, total or step * each)
            rate = number / (now - began)
            if total:
                left = _in_words((total - number) / rate)
                log.info("%s: %s of %s (%s a second), about %s left.", doing, *_read(number, total, rate), left)
            else:
                log.info("%s: %s so far (%s a second).", doing, *_read(number, rate))


def _read(*numbers: float) -> list[str]:
    return [f"{number:,.0f}" for number in numbers]


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"  # noqa: PLR2004  near enough
