"""The model of a source: its defaults, and each error with file, line, field and what to write instead."""

from collections.abc import Callable

import pytest

from bursar.profiles.schedule import Schedule
from bursar.sources.csv.dialect import Dialect
from bursar.sources.csv.model import CsvSource, FilePatterns

LoadChanged = Callable[[str, str], CsvSource]
FindProblems = Callable[[str, str], list[str]]


def test_a_short_source_has_the_safe_defaults(load_changed: LoadChanged) -> None:
    source = load_changed("", "")
    assert source.active
    assert (source.code, source.kind, source.connection, source.folder) == ("LAW", "csv", "law_system", "law/out")
    assert source.files == FilePatterns(users="users*.csv", fines="fines*.csv")
    assert source.files.by_kind == {"users": "users*.csv", "fines": "fines*.csv"}
    assert (source.complete, source.closes_exported_fines) == (True, False)
    assert (source.max_rejected_percent, source.min_rejected_rows) == (10, 20)
    assert (source.done_file_suffix, source.stable_for_seconds, source.timeout_minutes) == (None, 60, 720)
    assert (source.on_timeout, source.after_load, source.archive_folder) == ("skip", "archive", "processed")
    assert source.dialect == Dialect(
        encoding="auto", separator="auto", decimal="point", thousands="none", minor_units=False
    )
    assert source.schedule == Schedule("daily at 02:00", "0 2 * * *")
    assert source.notifications.failed == ()
    assert source.alerts.max_days_without_load is None


def test_currency_and_time_zone_are_those_of_the_institution_unless_written(load_changed: LoadChanged) -> None:
    source = load_changed("complete: yes\n", "complete: yes\ncurrency:\n")
    assert (source.currency, source.time_zone) == ("USD", "America/New_York")
    source = load_changed("complete: yes\n", "complete: yes\ncurrency: EUR\ntime_zone: Europe/Vienna\n")
    assert (source.currency, source.time_zone) == ("EUR", "Europe/Vienna")


def test_a_folder_of_the_machine_is_a_whole_path(load_changed: LoadChanged) -> None:
    source = load_changed("connection: law_system\nfolder: law/out", "folder: /srv/law/out")
    assert (source.connection, source.folder) == (None, "/srv/law/out")


@pytest.mark.parametrize("folder", ["law/out", "/", "//srv/law", "/srv/../law", "/srv/./law", "/srv/law/", "~/law"])
def test_another_folder_of_the_machine_is_a_problem(find_problems: FindProblems, folder: str) -> None:
    [problem] = find_problems("connection: law_system\nfolder: law/out", f"folder: {folder}")
    assert problem == (
        f"4: folder: {folder!r} is not the whole path of a folder on this machine: write one, as in "
        "/srv/library/out, or write the id of the connection to its server"
    )


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/law/out", ("write 'law/out', without the leading /: the path starts in the sub_directory of the S/FTP "
         "connection")),
        (r"law\out", "folders are divided by /, not by a backslash"),
        ("../law", "'../law' has an empty part, . or .. in it: write plain folder names, as in students/out"),
    ],
)  # fmt: skip
def test_a_wrong_folder_of_a_server_is_a_problem(find_problems: FindProblems, folder: str, message: str) -> None:
    assert find_problems("folder: law/out", f"folder: {folder}") == [f"5: folder: {message}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("code: LAW\n", "1: code: is missing: Short and unique among the sources. "),
        ("kind: csv\n", "1: kind: is missing: The kind of source: write one of csv"),
        ("folder: law/out\n", "1: folder: is missing: The folder of the files. "),
        ("complete: yes\n", "1: complete: is missing: Whether the file of fines has every fine that is open "),
        ("closes_exported_fines: no\n",
         "1: closes_exported_fines: is missing: Whether the library's system closes a fine by itself "),
        ("schedule: daily at 02:00\n", "1: schedule: is missing: When the load runs, in the source's time zone."),
        ("files:\n  users: users*.csv\n  fines: fines*.csv\n",
         "1: files: is missing: The names of the files. One of `users` and `fines` is required."),
    ],
)  # fmt: skip
def test_a_field_that_a_person_has_to_decide_is_required(find_problems: FindProblems, line: str, problem: str) -> None:
    [found] = find_problems(line, "")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("code: LAW", "code: LAW LIBRARY",
         "1: code: 'LAW LIBRARY' is not allowed here: write 1 to 30 letters, digits and underscores"),
        ("kind: csv", "kind: evergreen", "3: kind: 'evergreen' is not known here: write one of csv, folio, koha"),
        ("connection: law_system", "connection: sftp://law",
         ("4: connection: 'sftp://law' is not allowed here: write the id of an Airflow connection: letters, digits, "
         "_ . and -")),
        ("complete: yes", "complete: mostly", "9: complete: 'mostly' is neither yes nor no: write yes or no"),
        ("complete: yes", "complete:", ("9: complete: is blank: Whether the file of fines has every fine that is open "
         "in the library's system. An open fine that is missing from a complete file is reported. It is not closed.")),
        ("schedule: daily at 02:00", "schedule: nightly",
         ("11: schedule: 'nightly' is not a schedule: write `daily at 02:00`, `weekly on Sunday at 03:00`, `monthly on "
         "day 1 at 04:00`, or `cron 0 2 * * 1-5`; times run from 00:00 to 23:59")),
        ("name:", "nmae:", "2: nmae: unknown key: did you mean name?"),
        ("complete: yes", "complete: yes\ndecimal: comma", "10: decimal: belongs below dialect"),
        ("complete: yes", "complete: yes\nmax_rejected_percent: 101",
         "10: max_rejected_percent: 101 is too large: write 100 or less"),
        ("complete: yes", "complete: yes\nmin_rejected_rows: 0",
         "10: min_rejected_rows: 0 is too small: write 1 or more"),
        ("complete: yes", "complete: yes\ncurrency: Euro",
         "10: currency: 'Euro' is not allowed here: write the three capitals of ISO 4217, as in USD"),
        ("complete: yes", "complete: yes\ntime_zone: Vienna",
         "10: time_zone: 'Vienna' is not a time zone: write one as in Europe/Vienna"),
        ("complete: yes", "complete: yes\ndone_file_suffix: done",
         "10: done_file_suffix: 'done' is not allowed here: write a suffix, as in .done"),
        ("complete: yes", "complete: yes\narchive_folder: law/done",
         "10: archive_folder: 'law/done' is not allowed here: write the name of a folder, without /, as in processed"),
        ("complete: yes", "complete: yes\nalerts:\n  max_days_without_load: 2",
         "10: alerts: nobody would receive them: list a recipient below notifications.failed"),
        ("complete: yes", "complete: yes\ndialect:\n  decimal: dot",
         "11: dialect.decimal: 'dot' is not known here: write one of point, comma"),
        ("complete: yes", "complete: yes\ndialect:\n  decimal: comma\n  thousands: comma",
         "12: dialect.thousands: a comma can't be the decimal sign and also the sign of thousands"),
        ("complete: yes", "complete: yes\ndialect:\n  encoding: ansi",
         ("11: dialect.encoding: 'ansi' is not an encoding of text files that is known here: write auto, or an "
         "encoding such as utf-8, utf-16-le, windows-1252 or iso-8859-15")),
        ("  fines: fines*.csv", "  fines: today/fines.csv",
         ("8: files.fines: 'today/fines.csv' is not allowed here: write a pattern of the name alone, as in fines*.csv: "
         "at most 100 characters, no folder, no first dot")),
        ("  users: users*.csv\n  fines: fines*.csv", "  groups: groups.csv",
         "6: files: nothing would be loaded: name the files of users or of fines, as in fines: fines*.csv"),
        ("  fines: fines*.csv", "  fines: '*fines*.csv'\n  libraries: '*.csv'",
         ("9: files.libraries: '*.csv' and 'users*.csv' of users match the same names, and each file has rows of one "
         "kind: write patterns of which only one matches")),
    ],
)  # fmt: skip
def test_an_invalid_value_is_a_problem_that_says_what_to_write(
    find_problems: FindProblems, old: str, new: str, problem: str
) -> None:
    assert problem in find_problems(old, new)


def test_a_sign_of_the_dialect_is_written_as_a_character_too(load_changed: LoadChanged) -> None:
    dialect = "dialect:\n  separator: ;\n  decimal: ','\n  thousands: \"'\"\n"
    source = load_changed("complete: yes\n", f"complete: yes\n{dialect}")
    assert source.dialect == Dialect(separator="semicolon", decimal="comma", thousands="apostrophe")


def test_rules_and_wrong_values_are_reported_together(find_problems: FindProblems) -> None:
    problems = find_problems(
        "folder: law/out\n", "folder: /law\ntimeout_minutes: long\nalerts: {max_days_without_load: 1}\n"
    )
    assert [problem.split(": ")[1] for problem in problems] == ["folder", "timeout_minutes", "alerts"]
