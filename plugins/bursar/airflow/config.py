"""The options of the section `bursar` in Airflow's configuration, which say where tasks run.

- `pool_per_connection` (AIRFLOW__BURSAR__POOL_PER_CONNECTION): each S/FTP connection has a pool, whose slots limit the
  tasks that open it. `bin/bursar airflow create-pools` creates the pools. A task without its pool never runs.
- `maintenance_queue` (AIRFLOW__BURSAR__MAINTENANCE_QUEUE): the tasks of the maintenance jobs run in this queue. A
  worker has to serve it.

Without the options, all tasks use Airflow's default pool and queue.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from airflow.sdk.configuration import conf

from bursar.profiles import Profile, Settings
from bursar.sources.model import Source
from bursar.sources.system_model import SystemSource

SECTION = "bursar"
OPTIONS = ("pool_per_connection", "maintenance_queue")


class Placement(TypedDict, total=False):
    """Arguments of an Airflow task: its pool, its queue, and how long it may run."""

    pool: str
    queue: str
    execution_timeout: timedelta


def server_pool(connection_id: str | None) -> Placement:
    """Returns the pool of a task that opens an S/FTP connection, if any; it has the name of the connection."""
    if connection_id and conf.getboolean(SECTION, "pool_per_connection", fallback=False):
        return {"pool": connection_id}
    return {}


def server_placement(connection_id: str | None, settings: Settings) -> Placement:
    """Returns the pool of a task that opens an S/FTP connection, and the time after which it is ended."""
    return {
        **server_pool(connection_id),
        "execution_timeout": timedelta(minutes=settings.server_limits.max_task_minutes),
    }


def maintenance_placement() -> Placement:
    """Returns the queue of a task of a maintenance job."""
    queue = conf.get(SECTION, "maintenance_queue", fallback="")
    return {"queue": queue} if queue else {}


def work_dir(settings: Settings, profile: Profile) -> Path:
    """Returns the folder of this machine that holds the working folders of a profile."""
    return settings.work_dir / profile.code


def source_work_dir(settings: Settings, source: Source) -> Path:
    """Returns the folder of this machine that holds the working folders of a source; no profile has the same."""
    return settings.work_dir / f"source-{source.code}"


def create_pools(profiles: Iterable[Profile], sources: Iterable[Source], slots: int) -> list[str]:
    """Creates the missing pools of the connections of active profiles and sources in Airflow's database.

    Returns their names.

    Existing pools keep their slots. That of a library's system gets one slot, since one worker writes there at a time.
    """
    from airflow.models.pool import Pool  # noqa: PLC0415  needs Airflow's database; tasks have none

    connections = {one.sftp_connection for one in profiles if one.export.active or one.import_.active}
    sources = [one for one in sources if one.active and one.connection]
    connections |= {one.connection for one in sources if one.connection}
    systems = {one.connection for one in sources if isinstance(one, SystemSource)}
    missing = [connection for connection in sorted(connections) if Pool.get_pool(connection) is None]
    for connection in missing:
        Pool.create_or_update_pool(
            name=connection,
            slots=1 if connection in systems else slots,
            description="Connections to the bursar's server, or to a library's system",
            include_deferred=False,
        )
    return missing
