"""The statements below include/sql: each names its temporary tables, and is in the folder of its package."""

import re
from pathlib import Path

import pytest

from bursar.db.queries import FOLDER
from bursar.sources.staging import TABLES

PROJECT = Path(__file__).parents[2]
PACKAGES = (PROJECT / "plugins" / "bursar", PROJECT)  # the demo is not part of the product
STATEMENTS = {
    path.relative_to(FOLDER).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(FOLDER.rglob("*.sql"))
    if path.relative_to(FOLDER).parts[0] != "schema"
}
CREATES = re.compile(r"CREATE TEMPORARY TABLE (\w+|\{\w+\})")
STAGING = "plugins/bursar/sources/staging.py"  # creates a table for each kind of rows


def strip_comments_and_strings(statement: str) -> str:
    """Returns a statement without its comments and strings."""
    return re.sub(r"--[^\n]*|'[^']*'", "", statement)


TEMPORARY = {
    table for statement in STATEMENTS.values() for table in CREATES.findall(strip_comments_and_strings(statement))
} | {f"staged_{table.name}" for table in TABLES}


def find_required_tables(statement: str) -> list[str]:
    """Returns the temporary tables that a statement uses and does not create."""
    code = strip_comments_and_strings(statement)
    return sorted((set(re.findall(r"\w+", code)) & TEMPORARY) - set(CREATES.findall(code)))


def test_the_temporary_tables_are_known() -> None:
    sources = [path for folder in ("plugins", "demo") for path in (PROJECT / folder).rglob("*.py")]
    creating = [path for path in sources if CREATES.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(PROJECT).as_posix() for path in creating] == [STAGING]
    assert {"candidates", "matches", "row_errors", "staged_fines"} <= TEMPORARY


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_first_line_of_a_statement_names_its_temporary_tables(name: str) -> None:
    """A statement that uses such a name for something else, such as an alias, fails: it would mislead its readers."""
    claimed = re.match(r"-- requires: ([\w, ]+)\n", STATEMENTS[name])
    assert (claimed[1].split(", ") if claimed else []) == find_required_tables(STATEMENTS[name])


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_has_a_comment_that_says_what_it_does(name: str) -> None:
    assert re.match(r"(-- requires: [^\n]+\n)?-- [A-Z]", STATEMENTS[name])


@pytest.mark.parametrize("folder", sorted({name.rpartition("/")[0] for name in STATEMENTS}))
def test_the_statements_of_a_package_are_in_a_folder_of_its_name(folder: str) -> None:
    assert any((package / folder / "__init__.py").is_file() for package in PACKAGES)


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT * FROM candidates JOIN matches USING (fine_id)", ["candidates", "matches"]),
        ("SELECT 'matches' -- of candidates\n", []),
        ("CREATE TEMPORARY TABLE matches AS SELECT * FROM candidates", ["candidates"]),
    ],
)
def test_a_required_table_is_found_by_its_name(statement: str, tables: list[str]) -> None:
    assert find_required_tables(statement) == tables
