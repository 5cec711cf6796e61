"""Builds the export and import DAGs of the profiles, one for each active section, and those of the active sources."""

from airflow.sdk import DAG, get_parsing_context

from bursar.airflow.dag_ids import dag_id, parse_dag_id
from bursar.airflow.profile_store import load_all_profiles
from bursar.ledger.jobs import Job, ProfileJob
from bursar.profiles import INCLUDE, Profile, ProfileError, Settings, load_settings
from bursar.sources.csv.model import CsvSource
from bursar.sources.model import Source
from bursar.sources.read import load_sources
from bursar.sources.system_model import SystemSource


def build_dags() -> dict[str, DAG]:
    """Builds the DAGs of all valid profiles and returns them by id. The process of a task builds only the task's DAG.

    An invalid profile has no DAG and does not affect the others; `report_problems` reports it.
    """
    settings = load_settings(INCLUDE / "bursar.yaml")
    only = get_parsing_context().dag_id
    owner = parse_dag_id(only) if only else None
    profiles, _ = load_all_profiles(settings, code=owner.code if owner else None)
    active: list[tuple[Profile, ProfileJob]] = [(profile, Job.EXPORT) for profile in profiles if profile.export.active]
    active += [(profile, Job.IMPORT) for profile in profiles if profile.import_.active]
    ids = ((dag_id(job, profile.code), profile, job) for profile, job in active)
    return {id_: _build(profile, job, settings) for id_, profile, job in ids if only in (None, id_)}


def build_source_dags() -> dict[str, DAG]:
    """Builds the DAGs of all valid active sources and returns them by id. A task's process builds only its own DAG.

    An invalid source has no DAG and does not affect the others; `report_problems` reports it.
    """
    settings = load_settings(INCLUDE / "bursar.yaml")
    only = get_parsing_context().dag_id
    owner = parse_dag_id(only) if only else None
    if owner and owner.job is not Job.SYNC:
        return {}
    sources, _ = load_sources(
        INCLUDE / "sources",
        settings,
        code=owner.code if owner else None,
        list_profiles=lambda: () if owner else load_all_profiles(settings)[0],
    )
    return {dag_id(Job.SYNC, source.code): _build_sync(source, settings) for source in sources if source.active}


def _build_sync(source: Source, settings: Settings) -> DAG:
    if isinstance(source, SystemSource):
        from bursar.airflow.system_dag import system_dag  # noqa: PLC0415

        return system_dag(source, settings)
    if isinstance(source, CsvSource):
        from bursar.airflow.sync_dag import sync_dag  # noqa: PLC0415

        return sync_dag(source, settings)
    raise TypeError(source.kind)


def _build(profile: Profile, job: ProfileJob, settings: Settings) -> DAG:
    # Imported here: the process of a task loads only the packages of its own job.
    if job is Job.EXPORT:
        from bursar.airflow.export_dag import export_dag  # noqa: PLC0415

        return export_dag(profile, settings)
    from bursar.airflow.import_dag import import_dag  # noqa: PLC0415

    return import_dag(profile, settings)


def report_problems() -> None:
    """Raises the problems of all profiles and sources, so that Airflow shows them as an import error.

    Call it in a DAG file of its own: an import error deactivates all DAGs of its file.

    Raises:
        ProfileError: a profile, a source or the settings are wrong; the text has file, line and field of each problem.
    """
    settings = load_settings(INCLUDE / "bursar.yaml")
    profiles, problems = load_all_profiles(settings)
    problems += load_sources(INCLUDE / "sources", settings, list_profiles=lambda: profiles)[1]
    if problems:
        raise ProfileError(problems)
