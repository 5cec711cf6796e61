"""`make demo`: a library exports its fines to its bursars, on real parts, and shows what happened."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine, text

from bursar.errors import BursarError
from bursar.exporting.selection import preview
from bursar.ledger.connection import ledger_engine
from bursar.profiles import INCLUDE, Profile, load_profiles, load_settings
from demo.accounts import places, positions
from demo.desk import lose_an_item
from demo.exports import Export, exported, problems_of
from demo.imports import import_problems, office_pays, run_imports
from demo.library import Library, embedded_library
from demo.report import (
    print_export,
    print_imports,
    print_mails,
    print_places,
    print_positions,
    print_second_run,
    print_verdict,
)
from demo.user_jobs import in_debt_at_a_bursar, print_user_jobs, run_user_jobs, user_job_problems

PROJECT = Path(__file__).resolve().parents[1]
STATE = PROJECT / ".local" / "demo"
FINES = 2_000
PREVIEWED = "STUDENTS"


def main() -> int:
    """Runs the demo; returns 0 only if all that it shows is true."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        with embedded_library(
            STATE, fines=FINES, afresh=True, say=lambda step: out.print(f"[dim]{step} ...[/]")
        ) as library:
            engine = ledger_engine(library.ledger_url)
            profiles = [profile for profile in _profiles() if profile.export.active]
            _print_command(out, library, "preview", PREVIEWED, "--limit", "2")
            out.print("[dim]Running the export DAG of each active profile in Airflow ...[/]\n")
            students = next(profile for profile in profiles if profile.code == PREVIEWED)
            lost = str(lose_an_item(engine, students))
            first = []
            for profile in profiles:
                foreseen, _ = preview(engine, profile, as_of=datetime.now(UTC), limit=0)
                (export,) = _run(library, engine, [profile])
                first.append(replace(export, foreseen=foreseen))
                print_export(out, first[-1])
            out.print(
                f"[dim]At the desk: the lost item of fine {lost}, $10, is found; the bursar has the charge ...[/]\n"
            )
            _print_command(out, library, "desk", "pay", lost, refused=True)
            _print_command(out, library, "desk", "credit", lost, "--comment", "found and returned")
            out.print("[dim]Running all exports again, at once: nothing but reversals may be left to send ...[/]\n")
            second = _run(library, engine, profiles)
            print_second_run(out, second)
            _print_command(out, library, "fine", lost)
            out.print("[dim]The bursar's office reads the files, is paid, and reports; the import DAGs run ...[/]\n")
            office_pays(library, first)
            with engine.connect() as connection:
                before = positions(connection)
            imports = run_imports(library, engine, first)
            with engine.connect() as connection:
                after = positions(connection)
            print_imports(out, imports)
            print_positions(out, before, after, STATE / "positions.txt")
            _print_life(out, library, engine)
            out.print("[dim]The end of term: who still owes the bursar stays, small debts are given up ...[/]\n")
            _print_command(out, library, "users", "delete", in_debt_at_a_bursar(engine), "--yes", refused=True)
            leavers = run_user_jobs(library, engine)
            print_user_jobs(out, leavers)
            with engine.connect() as connection:
                where = places(connection)
            print_places(out, where)
            _print_command(out, library, "history")
            print_mails(out, library.mails)
            problems = problems_of(engine, first, second) + import_problems(imports)
            problems += user_job_problems(engine, leavers)
            problems += [f"{place.wrong} fines in {place.currency} do not add up" for place in where if place.wrong]
            engine.dispose()
    except BursarError as error:
        out.print(f"[bold red]The demo did not come to its end:[/] {error}")
        return 1
    print_verdict(out, first, problems)
    return 1 if problems else 0


def _profiles() -> list[Profile]:
    profiles, problems = load_profiles(INCLUDE / "profiles", load_settings(INCLUDE / "bursar.yaml"))
    if problems:
        raise BursarError("\n".join(map(str, problems)))
    return profiles


def _print_life(out: Console, library: Library, engine: Engine) -> None:
    """Shows the life of a fine that was paid beyond what it was."""
    with engine.connect() as connection:
        overpaid = connection.scalar(text("SELECT min(fine_id) FROM import_records WHERE outcome = 'OVERPAID'"))
    _print_command(out, library, "fine", str(overpaid))


def _print_command(out: Console, library: Library, *arguments: str, refused: bool = False) -> None:
    """Shows a command of Bursar's, and what it prints, as a librarian would see it; `refused`, it has to say no."""
    command = ["bin/bursar", *arguments]
    out.print(f"[bold]$ {' '.join(command)}[/]")
    width = {"COLUMNS": str(out.width), "FORCE_COLOR": "1"} if out.is_terminal else {"COLUMNS": str(out.width)}
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, **library.env, **width}, check=False)  # noqa: S603
    if bool(done.returncode) != refused:
        raise BursarError(f"{' '.join(command)} ended with {done.returncode}")
    out.print()


def _run(library: Library, engine: Engine, profiles: list[Profile]) -> list[Export]:
    """Runs the exports of some profiles at once and looks up what they did."""
    client = library.airflow.client
    dags = {profile.code: f"bursar_export__{profile.code}" for profile in profiles}
    client.wait_for_dags(dags.values())
    runs = {code: client.trigger(dag) for code, dag in dags.items()}
    return [
        exported(engine, library, profile, runs[profile.code], client.wait(dags[profile.code], runs[profile.code]))
        for profile in profiles
    ]


if __name__ == "__main__":
    sys.exit(main())
