"""`bin/bursar sources load CODE`: a person loads the files of a source now."""

from pathlib import Path

import pytest

from tests.support.cli import run, run_json
from tests.support.fixtures import Library
from tests.support.source_inbox import USERS, set_time, write_fines

SOURCE = """\
code: LAW
name: Law Library
kind: csv
folder: {folder}
files: {{users: users*.csv, fines: fines*.csv}}
complete: yes
closes_exported_fines: no
schedule: daily at 02:00
"""


@pytest.fixture
def folder(include: Path, library: Library, tmp_path: Path) -> Path:
    """The folder of the source LAW, with a file of users and one of fines."""
    folder = tmp_path / "out"
    folder.mkdir()
    (include / "sources").mkdir()
    (include / "sources" / "law.yaml").write_text(SOURCE.format(folder=folder), encoding="utf-8")
    settings = include / "bursar.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "\nwork_dir:" in text
    lines = [line for line in text.splitlines() if not line.startswith("work_dir:")]
    settings.write_text("\n".join([*lines, f"work_dir: {tmp_path / 'work'}", ""]), encoding="utf-8")
    (folder / "users.csv").write_text(USERS, encoding="utf-8")
    (folder / "fines.csv").write_text(write_fines("12.50", "x"), encoding="utf-8")
    return folder


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_files_of_a_source_are_loaded_and_moved_away(folder: Path, library: Library) -> None:
    output = run("--by", "anna", "sources", "load", "LAW")
    assert "users.csv, fines.csv:" in output
    assert "3 rows read, 1 rejected" in output
    assert "Rejected: fines.csv:3: " in output
    assert list_files(folder) == ["processed/fines.csv", "processed/users.csv"]
    assert library.one("SELECT requested_by FROM loads WHERE source = 'LAW' AND run_id IS NULL") == "anna"
    assert "No file of the source LAW is ready" in run("sources", "load", "LAW")


def test_a_dry_run_prints_what_would_change_and_changes_nothing(folder: Path, library: Library) -> None:
    output = run("sources", "load", "LAW", "--dry-run")
    assert "This was a dry run: nothing was changed." in output
    assert "Fines: 1 added" in output
    assert list_files(folder) == ["fines.csv", "users.csv"]
    assert library.one("SELECT count(*) FROM loads") == 0
    [load] = run_json("sources", "load", "LAW", "--dry-run")
    assert load["counts"]["fines_added"] == 1


def test_strict_loads_nothing_because_of_one_bad_row(folder: Path, library: Library) -> None:
    output = run("sources", "load", "LAW", "--strict", exit_code=1)
    assert "1 of 3 rows were rejected (1 malformed), and with --strict one is too many. First: fines.csv:3" in output
    assert "put the files back and load without --strict" in output
    assert "bin/bursar sources loads rejects 1" in output
    assert list_files(folder) == ["failed/fines.csv", "failed/users.csv"]
    assert library.one("SELECT count(*) FROM fines") == 0


def test_loads_beside_a_refused_one_are_printed(folder: Path) -> None:
    (folder / "fines_2.csv").write_text("sum\n", encoding="utf-8")
    set_time(folder / "fines_2.csv", 2_000_000_000)
    output = run("sources", "load", "LAW", exit_code=1)
    assert "users.csv, fines.csv:" in output
    assert "3 rows read, 1 rejected" in output
    assert "Load 2 of the source LAW was refused" in output


def test_an_older_file_is_loaded_if_a_person_says_so(folder: Path, library: Library) -> None:
    run("sources", "load", "LAW")
    set_time(folder / "processed/fines.csv", 0)
    (folder / "processed/fines.csv").rename(folder / "fines-old.csv")
    assert "`bin/bursar sources load LAW --older`" in run("sources", "load", "LAW", exit_code=1)
    (folder / "failed/fines-old.csv").rename(folder / "fines-old.csv")
    assert "1 unchanged" in run("sources", "load", "LAW", "--older")


def test_results_have_the_names_of_their_own_files(folder: Path) -> None:
    for night in (0, 1):
        for name, content in (("users.csv", USERS), ("fines.csv", write_fines(f"{night + 1}"))):
            (folder / name).write_text(content, encoding="utf-8")
            set_time(folder / name, night)
        run("sources", "load", "LAW")
    for name in ("users.csv", "fines.csv"):  # the bytes of the first night are known, and not loaded again
        (folder / "processed" / name).rename(folder / name)
    (folder / "fines_2.csv").write_text(write_fines("1", first=3), encoding="utf-8")
    output = run("sources", "load", "LAW", "--older")
    assert output.startswith("fines_2.csv:\n")
    assert "users.csv, fines.csv:" not in output


def test_a_dry_run_of_two_sets_goes_on_after_a_refusal(folder: Path, library: Library) -> None:
    set_time(folder / "users.csv", 0)
    (folder / "fines.csv").write_text("no heading\n", encoding="utf-8")
    set_time(folder / "fines.csv", 0)
    (folder / "fines_2.csv").write_text(write_fines("1"), encoding="utf-8")
    output = " ".join(run("sources", "load", "LAW", "--dry-run", exit_code=1).split())
    assert "fines_2.csv: This was a dry run" in output
    assert "Each set of files was compared with the ledger as it is now" in output
    assert "A load of users.csv, fines.csv would be refused: fines.csv:1: " in output


def test_a_source_and_files_together_are_a_wrong_usage(folder: Path) -> None:
    arguments = ("sources", "load", "LAW", "--users", str(folder / "users.csv"))
    assert "Name a source or files, not both" in run(*arguments, exit_code=2)
    assert "--older is for the files of a source" in run("sources", "load", *arguments[3:], "--older", exit_code=2)
    assert "There is no source MED" in run("sources", "load", "MED", exit_code=2)
    assert "Name a source, or at least one file" in run("sources", "load", exit_code=2)
