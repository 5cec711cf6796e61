"""From a folder of profiles to DAGs: one for each active section."""

from airflow.sdk import DAG, get_parsing_context

from bursar.airflow.base_dag import dag_id, get_profile_code
from bursar.airflow.export_dag import export_dag
from bursar.airflow.import_dag import import_dag
from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE, ProfileError, load_profiles, load_settings


def build_dags() -> dict[str, DAG]:
    """The DAGs of all good profiles, by id. A task's own process gets only its own DAG.

    A wrong profile has no DAG and does not disturb the others; `report_problems` tells about it.
    """
    settings = load_settings(INCLUDE / "bursar.yaml")
    wanted = get_parsing_context().dag_id
    profiles, _ = load_profiles(INCLUDE / "profiles", settings, code=get_profile_code(wanted) if wanted else None)
    active = {dag_id(profile, Job.EXPORT): (export_dag, profile) for profile in profiles if profile.export.active}
    active |= {dag_id(profile, Job.IMPORT): (import_dag, profile) for profile in profiles if profile.import_.active}
    return {id_: build(profile, settings) for id_, (build, profile) in active.items() if wanted in (None, id_)}


def report_problems() -> None:
    """Raises what is wrong with the profiles, for Airflow to show among its import errors.

    This stands in a DAG file of its own: an import error takes down all DAGs of the file that it comes from.

    Raises:
        ProfileError: with file, line and field of each problem.
    """
    _, problems = load_profiles(INCLUDE / "profiles", load_settings(INCLUDE / "bursar.yaml"))
    if problems:
        raise ProfileError(problems)
