"""Payments: the bursar's office sends files, and the import DAGs apply them."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

from bursar.ledger.import_files import FileState, ImportFile
from bursar.ledger.totals import OutcomeTotals
from bursar.profiles import Profile
from demo.bursar_office import bills, payments, write_payments
from demo.exports import Export
from demo.library import SUB_DIRECTORY, Library

BROKEN = "payments-broken.xml"


@dataclass(frozen=True)
class Import:
    """One run of one import, and its files."""

    profile: Profile
    run_state: str
    files: list[ImportFile]
    expected_state: str

    def records(self, *outcomes: str) -> int:
        """Counts the records of its files with these outcomes, or all of them."""
        return sum(
            found.records
            for file in self.files
            for outcome, found in (file.outcomes or {}).items()
            if outcome in outcomes or not outcomes
        )

    @property
    def outcomes(self) -> list[OutcomeTotals]:
        """The totals of each outcome in its files."""
        return [found for file in self.files for found in (file.outcomes or {}).values()]


def send_payments(library: Library, exports: list[Export]) -> None:
    """Writes a payment file for each exported file, and for the first one a broken file too."""
    for number, export in enumerate(_with_import(exports)):
        profile, file = export.profile, export.file
        if file is None:
            continue
        folder = library.folders[profile.sftp_connection.removeprefix("bursar_")] / SUB_DIRECTORY
        incoming, done_file_suffix = folder / profile.import_.input_file_path, profile.import_.done_file_suffix
        paid = payments(bills(file))
        if number == 0:
            write_payments(paid, incoming, BROKEN, done_file_suffix=done_file_suffix, broken=True)
        write_payments(paid, incoming, f"payments-{export.batch.id}.xml", done_file_suffix=done_file_suffix)


def run_imports(library: Library, engine: Engine, exports: list[Export]) -> list[Import]:
    """Runs the import DAGs simultaneously. The run with the broken file is expected to fail."""
    client = library.airflow.client
    profiles = [export.profile for export in _with_import(exports)]
    dags = {profile.code: f"bursar_import__{profile.code}" for profile in profiles}
    client.wait_for_dags(dags.values())
    runs = {code: client.trigger(dag) for code, dag in dags.items()}
    return [
        Import(
            profile,
            client.wait(dags[profile.code], runs[profile.code]),
            _files(engine, profile.code, runs[profile.code]),
            "success" if number else "failed",
        )
        for number, profile in enumerate(profiles)
    ]


def find_import_problems(imports: list[Import]) -> list[str]:
    """Returns the problems of the imports, as sentences."""
    problems = []
    for one in imports:
        if one.run_state != one.expected_state:
            problems.append(f"import {one.profile.code}: the run ended as {one.run_state}, not as {one.expected_state}")
        states = sorted(file.state for file in one.files)
        expected = [FileState.APPLIED] if one.expected_state == "success" else [FileState.APPLIED, FileState.REJECTED]
        if states != expected:
            problems.append(f"import {one.profile.code}: its files are {', '.join(states) or 'none'}")
        for file in one.files:
            missing = {"PAID", "PARTLY_PAID", "UNMATCHED"} - (file.outcomes or {}).keys()
            if file.state is FileState.APPLIED and missing:
                problems.append(f"{file.name}: no record was {', '.join(sorted(missing))}")
    return problems


def _with_import(exports: list[Export]) -> list[Export]:
    return [export for export in exports if export.profile.import_.active]


def _files(engine: Engine, profile: str, run: str) -> list[ImportFile]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT * FROM import_files WHERE profile = :profile AND run_id = :run_id ORDER BY name"),
            {"profile": profile, "run_id": run},
        )
        return [ImportFile.from_row(row) for row in rows.mappings()]
