"""Trials of a layout: the file that invented fines, or those of a profile's newest batch, have in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pendulum
from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.layouts.flat.render import get_batch_values, make_batch_values
from bursar.layouts.flat.trial import Trial, try_layout
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch, get_batch
from bursar.web.views import settings

MAX_FINES = 100
"""Fines with which a layout is tried."""


@dataclass(frozen=True)
class LayoutTrial:
    """The trials of the files of a layout, none if it failed, and why.

    `batch` is that of the fines, None for invented ones.
    """

    layout: Layout
    batch: Batch | None
    trials: Sequence[Trial]
    problem: str = ""

    @property
    def wrong_currencies(self) -> Sequence[str]:
        """The currencies of the fines, if there are several, and a file can't have them."""
        found = sorted({currency for trial in self.trials for currency in trial.currencies})
        return found if len(found) > 1 and self.layout.needs_one_currency else ()


def run_trial(connection: Connection, layout: Layout, batch: Batch | None) -> LayoutTrial:
    """Tries a layout with the first fines of a batch, or (None) with invented ones. Changes nothing."""
    if batch:
        time_zone = batch.render_options["time_zone"]
        values = get_batch_values(batch)
    else:
        time_zone = settings().time_zone
        values = make_batch_values(1, "STUDENTS", pendulum.now("UTC"), time_zone)
    batch_id = batch.id if batch else None
    try:
        trials = try_layout(connection, layout, values, time_zone=time_zone, batch_id=batch_id, limit=MAX_FINES)
    except BursarError as error:
        return LayoutTrial(layout, batch, (), str(error))
    return LayoutTrial(layout, batch, trials)


def find_last_batch(connection: Connection, profile: str) -> Batch | None:
    """Returns the newest batch that a profile has exported with fines; None if there is none."""
    parameters = {"profile": profile, "below": None, "limit": 1}
    row = connection.execute(query("web/list_resendable_batches"), parameters).first()
    return get_batch(connection, row.id) if row else None


def list_tried_users(connection: Connection, batch: Batch) -> Sequence[int]:
    """Returns the ids of the users whose fines a trial with a batch shows."""
    lines = {"batch_id": batch.id, "last": MAX_FINES}
    return connection.execute(query("web/list_users_of_lines"), lines).scalars().all()
