"""Sentences for people who can't run commands: they name pages, and have each command in brackets, to be left out."""

import ast
import re
from pathlib import Path

import pytest

from bursar.page_names import Page, without_commands
from tests.support.tracked_files import PROJECT

PLUGINS = PROJECT / "plugins" / "bursar"
OF_THE_COMMAND_LINE = {"commands", "db"}
"""Parts whose sentences only an administrator sees."""
OF_ADMINISTRATORS = ("profiles test-connection",)
"""Commands that no page replaces, in help texts."""
MODULES = sorted(
    path for path in PLUGINS.rglob("*.py") if path.relative_to(PLUGINS).parts[0] not in OF_THE_COMMAND_LINE
)
STATEMENTS = sorted((PROJECT / "include" / "sql").rglob("*.sql"))


def list_texts(path: Path) -> list[str]:
    """Returns the texts of a module, with `…` for a value in them; no documentation strings of functions."""
    texts, parts = [], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            parts |= {id(one) for one in ast.walk(node)}
            texts.append("".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            texts.append(node.value)
    return texts


def list_commands(text: str) -> list[str]:
    return re.findall(r"bin/bursar ([a-z][a-z -]*[a-z])", without_commands(text))


def test_a_command_in_brackets_is_left_out_with_what_is_said_of_it() -> None:
    sentence = "Ask the bursar (`bin/bursar imports rejects 5` lists them). Look at (a) and `b`."
    assert without_commands(sentence) == "Ask the bursar. Look at (a) and `b`."
    assert without_commands("Release it all the same (`--despite-file`).") == "Release it all the same."
    assert without_commands("Run `bin/bursar runs list` first.") == "Run `bin/bursar runs list` first."


def test_a_name_with_a_command_hides_nothing_of_a_sentence() -> None:
    sentence = "a (`bin/bursar x`.xml stays in sftp://b: 1 file of 2 (see there)."
    assert without_commands(sentence) == sentence


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PLUGINS).as_posix())
def test_no_sentence_needs_a_command(path: Path) -> None:
    named = [command for text in list_texts(path) for command in list_commands(text)]
    assert [command for command in named if not command.startswith(OF_ADMINISTRATORS)] == []


def test_no_reason_in_the_ledger_has_a_command() -> None:
    assert STATEMENTS
    assert [path.name for path in STATEMENTS if "bin/bursar" in path.read_text(encoding="utf-8")] == []


def test_the_statements_name_pages_that_exist() -> None:
    named = {
        match[0]
        for path in STATEMENTS
        for match in re.finditer(r"Bursar > [A-Z][a-z ]+[a-z]", path.read_text(encoding="utf-8"))
    }
    assert named
    assert all(any(name.startswith(page) for page in Page) for name in named)
