"""What an installation of Airflow says about where tasks run: section `bursar` of its configuration.

- `pool_per_connection` (AIRFLOW__BURSAR__POOL_PER_CONNECTION): tasks that open an S/FTP connection wait in its pool,
  which `bin/bursar airflow create-pools` makes. A task whose pool does not exist never runs.
- `maintenance_queue` (AIRFLOW__BURSAR__MAINTENANCE_QUEUE): the jobs over users go to this queue, where
  a worker has to listen.

Without them all tasks share Airflow's default pool and queue, which every installation has.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from airflow.sdk.configuration import conf

from bursar.profiles import Profile, Settings

SECTION = "bursar"
OPTIONS = ("pool_per_connection", "maintenance_queue")


class Placement(TypedDict, total=False):
    """Arguments of an Airflow task that say where it waits and runs."""

    pool: str
    queue: str


def server_pool(profile: Profile) -> Placement:
    """For a task that opens the profile's S/FTP connection: the pool has the name of the connection."""
    if conf.getboolean(SECTION, "pool_per_connection", fallback=False):
        return {"pool": profile.sftp_connection}
    return {}


def maintenance_placement() -> Placement:
    """For a task of a job over users."""
    queue = conf.get(SECTION, "maintenance_queue", fallback="")
    return {"queue": queue} if queue else {}


def work_dir(settings: Settings, profile: Profile) -> Path:
    """The folder of this machine that holds the working folders of a profile."""
    return settings.work_dir / profile.code


def create_pools(profiles: Iterable[Profile], slots: int) -> list[str]:
    """Makes the missing pools of the active profiles' servers in Airflow's database; known ones keep their slots.

    Returns the names of those that were made.
    """
    from airflow.models.pool import Pool  # noqa: PLC0415  of Airflow's database, which tasks never touch

    servers = sorted({one.sftp_connection for one in profiles if one.export.active or one.import_.active})
    missing = [server for server in servers if Pool.get_pool(server) is None]
    for server in missing:
        Pool.create_or_update_pool(
            name=server, slots=slots, description="Connections to the bursar's server", include_deferred=False
        )
    return missing
