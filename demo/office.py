"""`bin/bursar-office`: plays the bursars of `make up`, who get exported files and send payment files."""

from dataclasses import dataclass
from pathlib import Path

import click

from bursar.money import pluralize
from bursar.profiles import INCLUDE, Profile, load_profiles, load_settings
from demo.bursar_office import bills, payments, write_payments
from demo.library import BURSARS, SUB_DIRECTORY


@dataclass(frozen=True)
class Answer:
    """A payment file for an exported file; `fines` and `payments` are the numbers of their records."""

    exported: Path
    payment_file: Path
    fines: int
    payments: int


@click.command()
@click.argument("profiles", metavar="[PROFILE]...", nargs=-1)
def office(profiles: tuple[str, ...]) -> None:
    """Play the bursars of `make up`: answer each exported file with a payment file.

    Most students pay all, some half, some too much, some nothing; one payment has an unknown id. Without a PROFILE all
    profiles with an active import are answered. A file that has an answer gets no other.
    """
    found, _ = load_profiles(INCLUDE / "profiles", load_settings(INCLUDE / "bursar.yaml"))
    served = {profile.code: profile for profile in found if profile.import_.active and _get_bursar(profile) in BURSARS}
    if unknown := set(profiles) - set(served):
        raise click.UsageError(
            f"No bursar of `make up` sends payments for {', '.join(sorted(unknown))}. Known: {', '.join(served)}."
        )
    folders = INCLUDE.parent / "bursars"
    answered = False
    for code in profiles or served:
        for answer in answer_exports(folders, served[code]):
            answered = True
            click.echo(
                f"{code}: {answer.exported.relative_to(folders)} has {pluralize(answer.fines, 'fine')}. "
                f"{answer.payment_file.relative_to(folders)} has {pluralize(answer.payments, 'payment')}. The next run "
                f"of bursar_import__{code} imports it; to start it now, trigger the DAG in Airflow."
            )
    if not answered:
        click.echo("Every exported file has its answer. The next export brings another one.")


def answer_exports(folders: Path, profile: Profile) -> list[Answer]:
    """Writes a payment file for each exported file of a profile that has none; returns these answers.

    `folders` holds the folder of each bursar.
    """
    exported = folders / _get_bursar(profile) / SUB_DIRECTORY / (profile.export.output_file_path or "")
    folder = input_folder(folders, profile)
    answers = []
    for file in sorted(exported.glob("*.xml")):
        name = f"payments-{file.name}"
        if not any(folder.rglob(f"{name}*")):  # the import moves it to a folder below
            owed = bills(file)
            paid = payments(owed)
            write_payments(paid, folder, name, done_file_suffix=profile.import_.done_file_suffix)
            answers.append(Answer(file, folder / name, len(owed), len(paid)))
    return answers


def input_folder(folders: Path, profile: Profile) -> Path:
    """Returns the folder that the bursar of a profile writes payment files to."""
    return folders / _get_bursar(profile) / SUB_DIRECTORY / (profile.import_.input_file_path or "")


def create_input_folders(folders: Path, include: Path) -> None:
    """Creates the input folders of all profiles with an active import and a bursar of `make up`."""
    found, _ = load_profiles(include / "profiles", load_settings(include / "bursar.yaml"))
    for profile in found:
        if profile.import_.active and _get_bursar(profile) in BURSARS:
            input_folder(folders, profile).mkdir(parents=True, exist_ok=True)


def _get_bursar(profile: Profile) -> str:
    return profile.sftp_connection.removeprefix("bursar_")


if __name__ == "__main__":
    office(prog_name="bin/bursar-office")
