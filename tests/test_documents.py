"""The documents: their links, line lengths and commands, and the generated pages."""

import re
from pathlib import Path

import click
import pytest
import yaml

from bursar.__main__ import bursar
from demo import screenshots
from docs.reference import generate
from tests.support.tracked_files import PROJECT, tracked

WIDTH = 120
MAX_PICTURES_BYTES = 1_500_000
"""Every clone of the repository carries the pictures, and each that was there before."""


DOCUMENTS = tracked("*.md")
NAMES = [path.relative_to(PROJECT).as_posix() for path in DOCUMENTS]


def list_prose_lines(document: Path) -> list[tuple[int, str]]:
    """Returns the numbered lines of a document outside code blocks."""
    lines, in_code = [], False
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            lines.append((number, line))
    return lines


def list_anchors(document: Path) -> set[str]:
    """Returns the anchors of the headings of a document, as a forge makes them."""
    headings = [line.lstrip("#").strip() for _, line in list_prose_lines(document) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_link_has_a_target(document: Path) -> None:
    text = "\n".join(line for _, line in list_prose_lines(document))
    broken = []
    for target in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)\"\s]+)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in list_anchors(path)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_prose_is_wrapped_at_one_width(document: Path) -> None:
    # Rows of tables can't be wrapped.
    long = [number for number, line in list_prose_lines(document) if len(line) > WIDTH and not line.startswith("|")]
    assert not long


def test_every_document_below_docs_is_in_the_index() -> None:
    docs = PROJECT / "docs"
    linked = {
        (source.parent / target).resolve()
        for source in (docs / "index.md", docs / "explanation" / "decisions" / "README.md")
        for target in re.findall(r"\]\(([^)#\s]+)", source.read_text(encoding="utf-8"))
    }
    assert {path for path in DOCUMENTS if path.is_relative_to(docs)} - linked == {docs / "index.md"}


@pytest.mark.parametrize("name", generate.pages())
def test_reference_pages_are_up_to_date(name: str) -> None:
    page = (generate.FOLDER / name).read_text(encoding="utf-8")
    assert page == generate.pages()[name], f"out of date: run `{generate.COMMAND}`"


def test_the_workflow_runs_the_commands_of_ci_run() -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert workflow["jobs"]["run"]["strategy"]["matrix"]["command"] == re.findall(r"^make .*$", script, re.MULTILINE)


def find_command(words: list[str]) -> str:
    """Returns the words that lead to a command; without one, those up to the word that no group knows."""
    command: click.Command | None = bursar
    for number, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            return " ".join(words[:number])
        command = command.commands.get(word)
        if command is None:
            return f"unknown: {' '.join(words[: number + 1])}"
    return " ".join(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_command_in_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"bin/bursar((?: [a-z][a-z-]*)+)", text)
    assert not [found for words in named if (found := find_command(words.split())).startswith("unknown")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_target_of_make_in_a_document_exists(document: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_every_picture_is_taken_and_shown_with_a_text_in_its_place() -> None:
    taken = {f"{one.name}.png" for one in screenshots.ALL}
    assert {path.name for path in screenshots.PICTURES.iterdir()} == taken
    shown = set()
    for document in DOCUMENTS:
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+\.png)\)", document.read_text(encoding="utf-8")):
            assert words.strip(), target
            shown.add((document.parent / target).resolve())
    assert shown == {screenshots.PICTURES / name for name in taken}


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in screenshots.PICTURES.iterdir()) < MAX_PICTURES_BYTES


def test_the_architecture_shows_every_part_of_the_package() -> None:
    page = (PROJECT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    package = PROJECT / "plugins" / "bursar"
    parts = {path.relative_to(package).parts[0] for path in tracked("plugins/bursar/*.py")} - {"__init__.py"}
    assert {part for part in parts if (part if part.endswith(".py") else f"  {part}/  ") not in page} == set()
