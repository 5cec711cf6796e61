"""The vocabulary: retired words are not used, and names in the glossary exist."""

import re
from pathlib import Path

import pytest

from tests.support.tracked_files import PROJECT, tracked

GLOSSARY = PROJECT / "docs" / "glossary.md"
SEARCHED = ("*.py", "*.sql", "*.jinja", "*.md", "*.yaml", "*.html")
RETIRED = (
    "told",  # say: notified, logged, reported
    "tells it",  # notifies, informs
    "tellings",  # sent notifications
    "let go",  # released
    "lets go",
    "left behind",  # skipped
    "taken for dead",  # presumed dead; a worker that Airflow gave up on
    "death",  # end
    "carried to its end",  # completed
    "put away",  # archived
    "whoever",  # a person who, a process that
    "judge[sd]?",  # evaluate, decide
    "verdicts?",  # decision, reason, outcome
    "believe[sd]?",  # a program checks, and has no belief
    "sight(?:s|ings?)?",  # views, checks; observed files
    "patience",  # timeout
    "surroundings",  # environment, context
    "misfortunes?",  # failures
    "monies",  # amounts
    "hears?",  # learn, be notified
)


def get_line_number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def test_retired_words_are_not_used() -> None:
    """Fails where a tracked text uses a retired word.

    They were names for messages, releases, crashed workers and archived files, chosen for their sound. Each has a
    standard term that readers know, and two words for one thing make searching the code and the ledger unreliable.
    """
    # The words of a phrase may be divided by a line break, also in a comment, by an underscore or a hyphen.
    phrases = "|".join(r"[\s_#/-]+".join(words.split()) for words in RETIRED)
    pattern = re.compile(rf"(?<![a-z])(?:{phrases})(?![a-z])", re.IGNORECASE)
    uses = [
        f"{path.relative_to(PROJECT)}:{get_line_number(text, use.start())}: {use[0]}"
        for path in tracked(*SEARCHED)
        if path not in (GLOSSARY, Path(__file__))
        for text in [path.read_text(encoding="utf-8")]
        for use in pattern.finditer(text)
    ]
    assert not uses, "use a term of docs/glossary.md"


def list_glossary_names() -> list[str]:
    """Returns the names in the last column of the glossary's tables."""
    rows = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition(" | ")[2])]


@pytest.mark.parametrize("name", sorted(set(list_glossary_names())))
def test_names_in_the_glossary_exist(name: str) -> None:
    """The name of a package is a folder; any other name, or its column, is a word in the code or in the statements."""
    if name.startswith("bursar."):
        assert (PROJECT / "plugins" / name.replace(".", "/")).is_dir()
        return
    word = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
    sources = tracked("plugins/*.py", "include/*.sql", "include/*.yaml", "include/*.xsd")
    assert any(word.search(path.read_text(encoding="utf-8")) for path in sources)
