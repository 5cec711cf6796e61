"""`make demo`: an invented library exports fines to its bursars and imports payments, with real servers."""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text
from sqlalchemy import text

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.exports.selection import preview
from bursar.profiles import Profile
from demo.accounts import find_balance_problems, places, positions, sum_files
from demo.changes import CHANGES, LOST_BOOK
from demo.commands import run_command
from demo.details import FILES, report_file, write_export, write_import, write_messages, write_positions
from demo.exports import Export, find_export_problems, get_export
from demo.imports import Import, find_import_problems, run_imports, send_payments
from demo.library import FINES, FINES_IN_FOLIO, FINES_IN_KOHA, Library, embedded_library
from demo.library_system import SOURCE, synchronize
from demo.loads import find_load_problems, get_loads, get_outcomes
from demo.maintenance_jobs import (
    find_debtor,
    find_job_problems,
    print_jobs,
    run_jobs,
    write_jobs,
)
from demo.profiles import exporting_profiles, remove_job_limits, write_demo_include
from demo.progress import Steps
from demo.report import (
    print_balance,
    print_changes,
    print_excerpt,
    print_exports,
    print_files,
    print_imports,
    print_loads,
    print_problems,
)
from demo.returns import find_return_problems, get_standings, print_returns
from demo.system_checks import find_system_problems, get_system_states, print_systems
from demo.systems import SYSTEMS

PROJECT = Path(__file__).resolve().parents[1]
STATE = PROJECT / ".local" / "demo"
REPORTS = STATE / "reports"
ALL_FINES = FINES + FINES_IN_FOLIO + FINES_IN_KOHA
PREVIEWED = "STUDENTS"
WIDTH = 120  # where there is no terminal


def main() -> int:
    """Runs the demo; returns 0 if all checks succeed, otherwise 1."""
    out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH)
    out.print(
        f"[bold]An invented library, {ALL_FINES:,} fines, two bursars.[/] PostgreSQL, Airflow, SFTP and mail servers "
        "are real and run on this machine; FOLIO and Koha are imitated. All their files are in .local/demo."
    )
    try:
        include = write_demo_include(STATE / "include")
        remove_job_limits(include)
        with Steps(out) as steps:
            os.environ["BURSAR_INCLUDE"] = str(include)
            with embedded_library(STATE, reads_systems=True, afresh=True, say=steps.show) as library:
                first, second, problems = _Demo(out, steps, library, exporting_profiles(include)).run()
                steps.show("Stopping Airflow and PostgreSQL")
    except BursarError as error:
        out.print(f"[bold red]The demo stopped early:[/] {error}")
        return 1
    print_problems(out, first, second, problems)
    return 1 if problems else 0


class _Demo:
    """The steps of the demo, in their order."""

    def __init__(self, out: Console, steps: Steps, library: Library, profiles: list[Profile]) -> None:
        self._out = out
        self._steps = steps
        self._library = library
        self._profiles = profiles
        self._systems = library.systems
        self._engine = ledger_engine(library.ledger_url)
        self._command = partial(run_command, library, REPORTS / "commands.txt", width=WIDTH)

    def run(self) -> tuple[list[Export], list[Export], list[str]]:
        """Runs all steps; returns the first and the second exports, and the problems found, as sentences."""
        standings = [get_standings(self._engine, self._systems)]
        first = self._export()
        self._steps.show("Airflow closes in FOLIO and Koha what was sent to the bursars, and reads what changed")
        synchronize(self._library.airflow.client, SYSTEMS)
        standings.append(get_standings(self._engine, self._systems))
        self._systems.return_items()
        second, problems = self._load_changes(first)
        standings.append(get_standings(self._engine, self._systems))
        self._rule("Two lost books come back")
        print_returns(self._out, standings)
        problems += find_return_problems(standings)
        imports = self._import(first)
        problems += find_export_problems(self._engine, first, second) + find_import_problems(imports)
        problems += self._run_maintenance() + self._compare_systems()
        self._rule("The balance of the whole ledger")
        files = sum_files(first, second, imports)
        with self._engine.connect() as connection:
            where = places(connection)
        print_balance(self._out, where, files)
        problems += find_balance_problems(where, files)
        self._steps.show("Listing all runs")
        self._command("runs", "list")
        self._print_where_to_look()
        self._engine.dispose()
        return first, second, problems

    def _export(self) -> list[Export]:
        """Exports one profile after the other, so that batches and transactions always have the same numbers."""
        exports = []
        for number, profile in enumerate(self._profiles, 1):
            if profile.code == PREVIEWED:
                self._steps.show(f"Previewing {profile.name}")
                file = REPORTS / f"preview-{profile.code}.txt"
                run_command(
                    self._library, file, "profiles", "preview", profile.code, "--limit", str(ALL_FINES), width=WIDTH
                )
            self._steps.show(f"Airflow runs the export of {profile.name} ({number} of {len(self._profiles)})")
            previewed, _ = preview(self._engine, profile, as_of=datetime.now(UTC), limit=0)
            (export,) = self._run_exports([profile])
            exports.append(replace(export, previewed=previewed))
            with report_file(REPORTS / "exports.txt") as out:
                write_export(out, exports[-1])
        self._rule("Exports to the bursars")
        print_exports(self._out, exports, REPORTS)
        return exports

    def _load_changes(self, first: list[Export]) -> tuple[list[Export], list[str]]:
        """Loads and exports what has changed in the library's system; returns the exports and the problems found."""
        file = next(export.file for export in first if export.profile.code == PREVIEWED)
        with self._engine.connect() as connection:
            known = {"source": SOURCE, "id": LOST_BOOK}
            lost = connection.scalar(text("SELECT id FROM fines WHERE source = :source AND source_id = :id"), known)
        self._rule("The library's system writes new files")
        if file:
            self._out.print(
                f"Fine {lost}, for a lost book, in the file that the bursar received. It is {LOST_BOOK} in the "
                "library's system:"
            )
            print_excerpt(self._out, file, lost)
        self._steps.show("Trying to take a payment for it at the desk, which must fail")
        self._command("desk", "pay", str(lost), fails=True)
        self._steps.show("Airflow loads the new files of the library's system, and what changed in FOLIO and Koha")
        self._library.system.write_files(CHANGES)
        synchronize(self._library.airflow.client, [SOURCE, *SYSTEMS])
        self._steps.show("Airflow runs all exports again")
        second = self._run_exports(self._profiles)
        with report_file(REPORTS / "exports.txt") as out:
            for export in second:
                write_export(out, export)
        loads = get_loads(self._engine)
        outcomes = get_outcomes(self._engine, loads[-1], second)
        self._out.print(
            f"The desk cannot take a payment for fine {lost} now, because the bursar collects it. Then the library's "
            "system wrote its files again, Airflow loaded them, and all exports ran again:\n"
        )
        print_changes(self._out, outcomes, second)
        self._out.print()
        print_loads(self._out, loads)
        with report_file(REPORTS / "loads.txt") as out:
            write_messages(out, self._engine, loads)
        self._steps.show(f"Looking up fine {lost}")
        shown = self._command("fines", "show", str(lost), width=self._out.width, color=self._out.is_terminal)
        self._out.print()
        self._out.print(Text.assemble((f"$ bin/bursar fines show {lost}\n", "bold"), shown))
        return second, find_load_problems(loads, outcomes, first, second, len(SYSTEMS))

    def _import(self, exports: list[Export]) -> list[Import]:
        """Writes the payment files of the bursars and imports them."""
        self._steps.show("The bursars have sent payment files; Airflow runs the imports")
        send_payments(self._library, exports)
        with self._engine.connect() as connection:
            before = positions(connection)
        imports = run_imports(self._library, self._engine, exports)
        with self._engine.connect() as connection:
            after = positions(connection)
            overpaid = connection.scalar(text("SELECT min(fine_id) FROM import_records WHERE outcome = 'OVERPAID'"))
        with report_file(REPORTS / "imports.txt") as out:
            for one in imports:
                write_import(out, one)
        with report_file(REPORTS / "positions.txt") as out:
            write_positions(out, before, after)
        self._rule("Payments from the bursars")
        print_imports(self._out, imports, REPORTS)
        self._steps.show(f"Looking up fine {overpaid}, which was overpaid")
        self._command("fines", "show", str(overpaid))
        return imports

    def _run_maintenance(self) -> list[str]:
        """Deletes users who have left and waives small debts; returns the problems found."""
        debtor = find_debtor(self._engine)
        self._steps.show("Trying to delete a user who owes the bursar, which must fail")
        self._command("users", "delete", debtor, "--yes", fails=True)
        self._steps.show("Airflow deletes users who have left, and waives small debts")
        jobs = run_jobs(self._library, self._engine)
        with report_file(REPORTS / "jobs.txt") as out:
            write_jobs(out, jobs)
        self._rule("The end of term")
        print_jobs(self._out, jobs, REPORTS)
        self._out.print(f"`bin/bursar users delete {debtor}` fails: this user still owes a bursar.")
        return find_job_problems(self._engine, jobs)

    def _compare_systems(self) -> list[str]:
        """Writes what is due into FOLIO and Koha, and compares them with the ledger; returns the problems found."""
        self._steps.show("Airflow informs FOLIO and Koha of payments and waivers")
        synchronize(self._library.airflow.client, SYSTEMS)
        states = get_system_states(self._engine, self._systems)
        self._rule("FOLIO and Koha beside the ledger")
        print_systems(self._out, states)
        return find_system_problems(states)

    def _run_exports(self, profiles: list[Profile]) -> list[Export]:
        """Runs the exports of some profiles simultaneously and returns their results."""
        client = self._library.airflow.client
        dags = {profile.code: f"bursar_export__{profile.code}" for profile in profiles}
        client.wait_for_dags(dags.values())
        runs = {code: client.trigger(dag) for code, dag in dags.items()}
        states = {code: client.wait(dags[code], run_id) for code, run_id in runs.items()}
        return [
            get_export(self._engine, self._library, profile, runs[profile.code], states[profile.code])
            for profile in profiles
        ]

    def _print_where_to_look(self) -> None:
        self._rule("Where to look")
        print_files(self._out, STATE, FILES)
        self._out.print()

    def _rule(self, title: str) -> None:
        self._out.print()
        self._out.rule(f"[bold]{title}[/]", align="left")


if __name__ == "__main__":
    sys.exit(main())
