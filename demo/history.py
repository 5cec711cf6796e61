"""The history of the library of `make up`: loads, exports, payments, returned books, and an export that waits."""

from collections.abc import Callable
from pathlib import Path

from bursar.profiles import Profile
from demo.airflow import APPROVER
from demo.airflow_client import AirflowClient
from demo.bursar_office import bills, payments, write_payments
from demo.changes import CHANGES, PAID_MEANWHILE, RARE_BOOK
from demo.imports import BROKEN
from demo.library import Library
from demo.library_system import SOURCE, synchronize
from demo.office import answer_exports, input_folder
from demo.profiles import DONE_FILE_SUFFIX, exporting_profiles
from demo.systems import KOHA, SYSTEMS

LIMITED, WITH_KOHA = "STUDENTS", "MEDICAL"


def make_history(library: Library, include: Path, say: Callable[[str], object]) -> None:
    """Runs all exports, the first with an approval, and the imports, and loads what has changed.

    Leaves an export that waits for an approval, a rejected row, a deferred one of a fine that this export holds, and an
    event that Koha refuses: the credit of a returned book, which a person has to use up there.

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
    say("Airflow closes in FOLIO and Koha what was sent to the bursars; then a lost book is returned in each")
    synchronize(client, SYSTEMS)
    library.systems.return_items()
    say("The library's system has new files: a rare book is lost; the next export waits for an approval")
    library.system.write_files((*CHANGES, RARE_BOOK))
    synchronize(client, [SOURCE, *SYSTEMS])
    later = [profile for profile in profiles if profile.code in (LIMITED, WITH_KOHA)]
    runs = _trigger(client, "export", later)
    client.wait_for_approval(*runs[LIMITED])
    client.wait(*runs[WITH_KOHA])
    say("The library's system has new files again: a row is deferred, for a fine in that export. Koha refuses an event")
    library.system.write_files((*CHANGES, RARE_BOOK, PAID_MEANWHILE))
    synchronize(client, [SOURCE, KOHA])


def _trigger(client: AirflowClient, job: str, profiles: list[Profile]) -> dict[str, tuple[str, str]]:
    """Starts a run of each profile; returns DAGs and runs by the codes of the profiles."""
    dags = {profile.code: f"bursar_{job}__{profile.code}" for profile in profiles}
    client.wait_for_dags(dags.values())
    return {code: (dag, client.trigger(dag)) for code, dag in dags.items()}
