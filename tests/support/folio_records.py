"""The records of a FOLIO in memory: quick queries by id and by account, and moments that grow with each change."""

import random
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Lock
from typing import Any

from tests.support.folio_cql import Query, read_field

Json = dict[str, Any]

COLLECTIONS = {
    "accounts": "accounts",
    "feefineactions": "feefineactions",
    "users": "users",
    "groups": "usergroups",
    "owners": "owners",
    "feefines": "feefines",
    "transfers": "transfers",
    "payments": "payments",
    "waives": "waivers",
    "refunds": "refunds",
    "service-points": "servicepoints",
}
"""The names of the lists in answers, by path."""


class Clock:
    """Moments in UTC as FOLIO writes them: each is later than the one before, by a millisecond at least."""

    def __init__(self) -> None:
        self._last = datetime.now(UTC)
        self._lock = Lock()
        self.offset = timedelta(0)

    def now(self) -> str:
        """Returns the next moment."""
        with self._lock:
            self._last = max(datetime.now(UTC) + self.offset, self._last + timedelta(milliseconds=1))
            return format_moment(self._last)


def format_moment(moment: datetime) -> str:
    """Returns a moment as in FOLIO's metadata."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')}"


class Table:
    """The records of one kind by id. Queries without an order give another one each time, as a database may."""

    def __init__(self, chooser: random.Random) -> None:
        self.by_id: dict[str, Json] = {}
        self._ids: list[str] = []
        self._by_account: dict[str, list[str]] = {}
        self._random = chooser
        self._lock = Lock()
        self.on_put: Callable[[Json], object] = lambda _: None
        """Called with each record that was put."""

    def __len__(self) -> int:
        return len(self.by_id)

    def put(self, record: Json) -> None:
        """Adds a record, or replaces it."""
        id_ = record["id"]
        with self._lock:
            if id_ not in self.by_id:
                insort(self._ids, id_)
                if account := record.get("accountId"):
                    self._by_account.setdefault(account, []).append(id_)
            self.by_id[id_] = record
            self.on_put(record)

    def fill(self, records: Iterable[Json]) -> None:
        """Adds many records whose ids are new."""
        with self._lock:
            self.by_id |= {record["id"]: record for record in records}
            self._ids = sorted(self.by_id)

    def remove(self, id_: str) -> None:
        """Removes a record."""
        with self._lock:
            del self.by_id[id_]
            self._ids.remove(id_)

    def list_of_account(self, account: str) -> list[Json]:
        """Returns the records with this `accountId`."""
        return [self.by_id[id_] for id_ in self._by_account.get(account, ())]

    def find(self, query: Query, offset: int, limit: int) -> list[Json]:
        """Returns a page of the records of a query."""
        if query.sorted_by == "id" and not query.is_descending:
            return list(islice(filter(query.matches, self._scan(query)), offset, offset + limit))
        found = list(filter(query.matches, self._scan(query)))
        self._random.shuffle(found)
        if name := query.sorted_by:
            found.sort(key=lambda record: read_field(record, name), reverse=query.is_descending)
        return found[offset : offset + limit]

    def count(self, query: Query) -> int:
        """Returns how many records a query has."""
        return sum(map(query.matches, self._scan(query)))

    def _scan(self, query: Query) -> Iterator[Json]:
        """Yields the records that a query may have, by id."""
        ids, first = self._ids, 0
        for condition in query.required:
            if (condition.name, condition.relation) == ("id", "=="):
                ids = sorted(set(condition.values) & self.by_id.keys())
            elif (condition.name, condition.relation) == ("accountId", "=="):
                ids = sorted(id_ for account in condition.values for id_ in self._by_account.get(account, ()))
        for condition in query.required:
            if (condition.name, condition.relation) == ("id", ">"):
                first = bisect_right(ids, condition.values[0])
        with self._lock:
            ids = ids[first:] if ids is not self._ids or first else ids[:]
        return (record for id_ in ids if (record := self.by_id.get(id_)))
