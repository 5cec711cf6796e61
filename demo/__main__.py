"""`make demo`: a library exports its fines to its bursars, on real parts, and shows what happened."""

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
from bursar.money import pluralize
from bursar.profiles import Profile
from demo.accounts import balance_problems, file_totals, places, positions
from demo.commands import run_command
from demo.desk import lose_an_item
from demo.details import report_file, write_export, write_import, write_positions
from demo.exports import Export, exported, problems_of
from demo.imports import Import, import_problems, office_pays, run_imports
from demo.library import Library, embedded_library
from demo.mail import mails
from demo.profiles import exporting_profiles, include_with_done_files
from demo.progress import Steps
from demo.report import (
    print_balance,
    print_excerpt,
    print_exports,
    print_files,
    print_imports,
    print_reversal,
    print_verdict,
)
from demo.user_jobs import (
    in_debt_at_a_bursar,
    print_user_jobs,
    run_user_jobs,
    user_job_problems,
    write_user_jobs,
)

PROJECT = Path(__file__).resolve().parents[1]
STATE = PROJECT / ".local" / "demo"
REPORTS = STATE / "reports"
FINES = 2_000
PREVIEWED = "STUDENTS"
WIDTH = 120  # where there is no terminal


def main() -> int:
    """Runs the demo; returns 0 only if all that it shows is true."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    out.print(
        f"[bold]An invented library, {FINES:,} fines, two bursars.[/] All parts are real and run on this machine; "
        "all that they keep is in .local/demo."
    )
    try:
        with include_with_done_files() as include, Steps(out) as steps:
            os.environ["BURSAR_INCLUDE"] = str(include)
            with embedded_library(STATE, fines=FINES, afresh=True, say=steps.show) as library:
                first, problems = _Demo(out, steps, library, exporting_profiles(include)).run()
                steps.show("Ending Airflow and PostgreSQL")
    except BursarError as error:
        out.print(f"[bold red]The demo did not come to its end:[/] {error}")
        return 1
    print_verdict(out, first, problems)
    return 1 if problems else 0


class _Demo:
    """The acts of the demo, in their order."""

    def __init__(self, out: Console, steps: Steps, library: Library, profiles: list[Profile]) -> None:
        self._out = out
        self._steps = steps
        self._library = library
        self._profiles = profiles
        self._engine = ledger_engine(library.ledger_url)
        self._command = partial(run_command, library, REPORTS / "commands.txt", width=WIDTH)

    def run(self) -> tuple[list[Export], list[str]]:
        """Runs all acts; returns the first exports and all that is wrong, in sentences."""
        students = next(profile for profile in self._profiles if profile.code == PREVIEWED)
        lost = lose_an_item(self._engine, students)
        first = self._export()
        second = self._give_back(first, lost)
        imports = self._import(first)
        problems = problems_of(self._engine, first, second) + import_problems(imports) + self._end_the_term()
        self._rule("The balance, in the whole ledger")
        files = file_totals(first, second, imports)
        with self._engine.connect() as connection:
            where = places(connection)
        print_balance(self._out, where, files)
        problems += balance_problems(where, files)
        self._steps.show("Looking up the history of all runs")
        self._command("runs", "list")
        self._print_where_to_look()
        self._engine.dispose()
        return first, problems

    def _export(self) -> list[Export]:
        """Exports one profile after the other, so that batches and transactions have the same numbers every time."""
        exports = []
        for number, profile in enumerate(self._profiles, 1):
            if profile.code == PREVIEWED:
                self._steps.show(f"Previewing {profile.name}")
                file = REPORTS / f"preview-{profile.code}.txt"
                run_command(
                    self._library, file, "profiles", "preview", profile.code, "--limit", str(FINES), width=WIDTH
                )
            self._steps.show(f"Airflow runs the export of {profile.name} ({number} of {len(self._profiles)})")
            foreseen, _ = preview(self._engine, profile, as_of=datetime.now(UTC), limit=0)
            (export,) = self._run_exports([profile])
            exports.append(replace(export, foreseen=foreseen))
            with report_file(REPORTS / "exports.txt") as out:
                write_export(out, exports[-1])
        self._rule("Exports to the bursars")
        print_exports(self._out, exports, REPORTS)
        return exports

    def _give_back(self, first: list[Export], lost: int) -> list[Export]:
        """Credits the lost item that is found; then nothing but its reversal may be left to send."""
        file = next(export.file for export in first if export.profile.code == PREVIEWED)
        self._rule("A lost item is found")
        if file:
            self._out.print(f"The bursar was sent fine {lost}, for a lost item:")
            print_excerpt(self._out, file, lost)
        self._steps.show("Giving a credit at the desk")
        self._command("desk", "pay", str(lost), refused=True)
        self._command("desk", "reverse", str(lost), "--comment", "found and returned")
        self._out.print(
            f"The item is found. The desk can't take money for fine {lost}, since the bursar collects it now. "
            "It gives a credit instead."
        )
        self._steps.show("Airflow runs all exports again")
        second = self._run_exports(self._profiles)
        with report_file(REPORTS / "exports.txt") as out:
            for export in second:
                write_export(out, export)
        print_reversal(self._out, second, lost)
        self._steps.show(f"Looking up fine {lost}")
        shown = self._command("fines", "show", str(lost), width=self._out.width, color=self._out.is_terminal)
        self._out.print()
        self._out.print(Text.assemble((f"$ bin/bursar fines show {lost}\n", "bold"), shown))
        return second

    def _import(self, exports: list[Export]) -> list[Import]:
        """Lets the bursars' offices read the files, be paid and report, and imports their files."""
        self._steps.show("The bursars have sent files of payments; Airflow runs the imports")
        office_pays(self._library, exports)
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

    def _end_the_term(self) -> list[str]:
        """Deletes users who leave and waives small debts; returns all that is wrong."""
        debtor = in_debt_at_a_bursar(self._engine)
        self._steps.show("Deleting a user who owes the bursar, which must be refused")
        self._command("users", "delete", debtor, "--yes", refused=True)
        self._steps.show("Airflow deletes users who left, and waives small debts")
        jobs = run_user_jobs(self._library, self._engine)
        with report_file(REPORTS / "jobs.txt") as out:
            write_user_jobs(out, jobs)
        self._rule("The end of term")
        print_user_jobs(self._out, jobs, REPORTS)
        self._out.print(f"`bin/bursar users delete {debtor}` is refused: this user still owes a bursar.")
        return user_job_problems(self._engine, jobs)

    def _run_exports(self, profiles: list[Profile]) -> list[Export]:
        """Runs the exports of some profiles simultaneously and looks up what they did."""
        client = self._library.airflow.client
        dags = {profile.code: f"bursar_export__{profile.code}" for profile in profiles}
        client.wait_for_dags(dags.values())
        runs = {code: client.trigger(dag) for code, dag in dags.items()}
        states = {code: client.wait(dags[code], run_id) for code, run_id in runs.items()}
        return [
            exported(self._engine, self._library, profile, runs[profile.code], states[profile.code])
            for profile in profiles
        ]

    def _print_where_to_look(self) -> None:
        self._rule("Where to look")
        sent = mails(self._library.mails)
        files = {
            "bursars": "the exported files, and the files of payments",
            "mails": f"{pluralize(len(sent), 'mail')} to the library's staff, as HTML pages",
            f"reports/preview-{PREVIEWED}.txt": "each fine that was to be sent or to stay, and why",
            "reports/exports.txt": "each export: what went, what stayed and why",
            "reports/imports.txt": "each payment file, and what its payments did",
            "reports/positions.txt": "what each user owed before and after them",
            "reports/jobs.txt": "who stayed at the end of term, and why",
            "reports/commands.txt": "commands and their output; the history of all runs",
        }
        print_files(self._out, STATE, files)
        self._out.print()

    def _rule(self, title: str) -> None:
        self._out.print()
        self._out.rule(f"[bold]{title}[/]", align="left")


if __name__ == "__main__":
    sys.exit(main())
