"""What the DAGs of all sources share: the run that loads a source, and the DAG without its tasks."""

from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from airflow.sdk import DAG, Context, Param
from sqlalchemy import Engine

from bursar.airflow import connections
from bursar.airflow.base_dag import RUN_TYPES_WITHOUT_BACKFILL, base_dag
from bursar.db.engine import ledger_engine
from bursar.ledger.jobs import Job
from bursar.profiles import Settings
from bursar.sources.model import Source

SourceT = TypeVar("SourceT", bound=Source)


@dataclass(frozen=True, kw_only=True)
class LoadRun(Generic[SourceT]):
    """A run that loads a source: the first argument of its tasks.

    `requested_by` is the person who triggered it, None for the schedule.
    """

    source: SourceT
    settings: Settings
    engine: Engine
    run_id: str
    requested_by: str | None
    dry_run: bool = False

    @classmethod
    def from_context(cls, source: SourceT, settings: Settings, context: Context) -> Self:
        """Makes the run that a task belongs to.

        Raises:
            BursarError: there is no connection to the ledger.
        """
        return cls(
            source=source,
            settings=settings,
            engine=ledger_engine(connections.ledger_url()),
            run_id=context["run_id"],
            requested_by=context["dag_run"].triggering_user_name,
            dry_run=context["params"]["dry_run"],
        )


def source_dag(source: Source, *, dry_run: str, **arguments: Any) -> DAG:  # noqa: ANN401
    """Creates the DAG of a source without tasks; `dry_run` describes a dry run, Airflow gets the `arguments`."""
    param = Param(default=False, type="boolean", title="Dry run", description=dry_run)
    return base_dag(
        source,
        Job.SYNC,
        source.schedule,
        params={"dry_run": param},
        allowed_run_types=RUN_TYPES_WITHOUT_BACKFILL,
        **arguments,
    )
