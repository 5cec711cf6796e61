"""Runs the statements of a load, all in one transaction."""

import logging
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, CursorResult

from bursar.db.queries import query
from bursar.money import pluralize
from bursar.sources.load_types import SourceRules

log = logging.getLogger(__name__)

SOURCE_ID_TYPE = "sourceId"
"""The type of the identifier that a library system has for its users; that of source X is `sourceId:X`."""


@dataclass(frozen=True)
class Statements:
    """The transaction of a load, and the rules that its statements get as parameters."""

    connection: Connection
    rules: SourceRules

    def run(self, *names: str, **more: int | str) -> int:
        """Runs statements in order and returns the number of rows that the last one changed."""
        parameters = {
            "source": self.rules.code,
            "id_type": f"{SOURCE_ID_TYPE}:{self.rules.code}" if self.rules.code else SOURCE_ID_TYPE,
            "currency": self.rules.currency,
            "time_zone": self.rules.time_zone,
            "minor_units": self.rules.minor_units,
            "closes_exported_fines": self.rules.closes_exported_fines,
            **more,
        }
        changed = 0
        for name in names:
            result = cast("CursorResult[Any]", self.connection.execute(query(f"sources/{name}"), parameters))
            changed = result.rowcount
            log.debug("%s: %s.", name, pluralize(changed, "row"))
        return changed
