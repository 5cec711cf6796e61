"""Builds the export and import DAGs of the profiles in a folder, one for each active section."""

from airflow.sdk import DAG, get_parsing_context

from bursar.airflow.base_dag import dag_id, get_profile_code
from bursar.airflow.export_dag import export_dag
from bursar.airflow.import_dag import import_dag
from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE, ProfileError, load_profiles, load_settings


def build_dags() -> dict[str, DAG]:
    """Builds the DAGs of all valid profiles and returns them by id. The process of a task builds only the task's DAG.

    An invalid profile has no DAG and does not affect the others; `report_problems` reports it.
    """
    settings = load_settings(INCLUDE / "bursar.yaml")
    only = get_parsing_context().dag_id
    profiles, _ = load_profiles(INCLUDE / "profiles", settings, code=get_profile_code(only) if only else None)
    active = {dag_id(profile, Job.EXPORT): (export_dag, profile) for profile in profiles if profile.export.active}
    active |= {dag_id(profile, Job.IMPORT): (import_dag, profile) for profile in profiles if profile.import_.active}
    return {id_: build(profile, settings) for id_, (build, profile) in active.items() if only in (None, id_)}


def report_problems() -> None:
    """Raises the problems of all profiles, so that Airflow shows them as an import error.

    Call it in a DAG file of its own: an import error deactivates all DAGs of its file.

    Raises:
        ProfileError: a profile or the settings are wrong; the text has file, line and field of each problem.
    """
    _, problems = load_profiles(INCLUDE / "profiles", load_settings(INCLUDE / "bursar.yaml"))
    if problems:
        raise ProfileError(problems)
