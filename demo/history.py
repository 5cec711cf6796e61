"""The history of the library of `make up`: loads, exports, payments, rejected records, and an export that waits."""

from collections.abc import Callable
from pathlib import Path

from bursar.profiles import Profile
from demo.airflow import APPROVER
from demo.airflow_client import AirflowClient
from demo.bursar_office import bills, payments, write_payments
from demo.changes import CHANGES, PAID_MEANWHILE, RARE_BOOK
from demo.imports import BROKEN
from demo.library import Library
from demo.office import answer_exports, input_folder
from demo.profiles import DONE_FILE_SUFFIX, exporting_profiles

LIMITED = "STUDENTS"


def make_history(library: Library, include: Path, say: Callable[[str], object]) -> None:
    """Runs all exports, the first with an approval, and the imports, and loads what has changed.

    Leaves an export that waits for an approval, a rejected row, and a deferred one of a fine that this export holds.

    Raises:
        BursarError: Airflow rejects a request, or a run does not end.
    """
    client, profiles = library.airflow.client, exporting_profiles(include)
    limited = next(profile for profile in profiles if profile.code == LIMITED)
    say("Airflow runs the exports; one of them needs an approval")
    runs = _trigger(client, "export", profiles)
    with AirflowClient(library.airflow.address, APPROVER, library.airflow.password) as approver:
        approver.approve(*runs[LIMITED])
    for run in runs.values():
        client.wait(*run)
    say("The bursars have sent payment files; Airflow runs the imports")
    importing = [profile for profile in profiles if profile.import_.active]
    for profile in importing:
        answers = answer_exports(library.state / "bursars", profile)
        if profile is limited:
            paid = payments(bills(answers[0].exported))
            folder = input_folder(library.state / "bursars", profile)
            write_payments(paid, folder, BROKEN, done_file_suffix=DONE_FILE_SUFFIX, broken=True)
    for run in _trigger(client, "import", importing).values():
        client.wait(*run)
    say("The library's system has new files: a rare book is lost; the next export waits for an approval")
    library.system.load_files(client, (*CHANGES, RARE_BOOK))
    client.wait_for_approval(*_trigger(client, "export", [limited])[LIMITED])
    say("The library's system has new files again; a row of a fine in that export is deferred")
    library.system.load_files(client, (*CHANGES, RARE_BOOK, PAID_MEANWHILE))


def _trigger(client: AirflowClient, job: str, profiles: list[Profile]) -> dict[str, tuple[str, str]]:
    """Starts a run of each profile; returns DAGs and runs by the codes of the profiles."""
    dags = {profile.code: f"bursar_{job}__{profile.code}" for profile in profiles}
    client.wait_for_dags(dags.values())
    return {code: (dag, client.trigger(dag)) for code, dag in dags.items()}
