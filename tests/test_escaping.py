"""Text from outside is only text, wherever Markdown shows it, and on one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bursar.escaping import escape_markdown, escape_sentence, replace_controls

HOSTILE = [
    "[x](javascript:alert(1)).xml",
    "![x](http://bursar.example.edu/seen.png)",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60;b&#62;",
    "**bold** _it_ __it__ ~~gone~~ ***",
    "# heading",
    "- item",
    "1. item",
    "12) item",
    "+ item",
    "= = =",
    "a | b | c",
    "`code` ``code`` ` a",
    "x` [l](http://u) ",
    "``` [l](http://u)",
    "\\`[l](u)\\` \\[x]",
    "[x]: http://example.edu",
    "<http://example.edu> <a@example.edu>",
    "a_b_c load_file _x_ x_",
    "  * item  ",
]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ALLOWED = {"text", "text_special", "code_inline", "softbreak"} | {
    f"{kind}_{end}" for kind in ("strong", "bullet_list", "list_item", "heading") for end in ("open", "close")
}
"""The parts of the pages into which texts are put; the only heading is the one of the page."""


def render(markdown: str) -> tuple[set[str], str]:
    """Returns the kinds of what a text in Markdown shows, and its characters."""

    def flatten(tokens: list[Token]) -> list[Token]:
        return [one for token in tokens for one in (token, *flatten(token.children or []))]

    tokens = [token for token in flatten(MARKDOWN.parse(markdown)) if token.type != "inline"]
    shown = "".join(token.content for token in tokens if token.type in {"text", "code_inline"})
    return {token.type for token in tokens} - {"paragraph_open", "paragraph_close"}, shown


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [escape_markdown, escape_sentence])
def test_hostile_text_is_shown_as_it_is(escape: type[str], text: str) -> None:
    kinds, shown = render(escape(text))
    assert kinds <= {"text", "text_special", "code_inline"}
    assert shown.replace("`", "") == text.strip().replace("`", "")


PIECES = [*HOSTILE, *"`*_[]()<>|~&!#\\ \n", "a", "1", "http://u", "`bin/bursar runs list`"]
MIXTURES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join).filter(str.strip)


@settings(max_examples=300, deadline=None)
@given(MIXTURES)
def test_any_mixture_is_only_text_wherever_it_is_put(text: str) -> None:
    for escape in (escape_markdown, escape_sentence):
        for page in (f"**failed**\n- {escape(text)}\n- more", f"a\n\n**{escape(text)}**\n\nb", f"### {escape(text)}"):
            kinds, _ = render(page)
            assert kinds <= ALLOWED if page.startswith("#") else ALLOWED - {"heading_open", "heading_close"}
        kinds, _ = render(f"| | |\n|---|---|\n| {escape(text)} | {escape(text)} |")
        assert "table_open" in kinds
        assert kinds <= ALLOWED | {
            f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")
        }


def test_code_of_our_sentences_stays_code() -> None:
    sentence = "3 of 4 records in [x](y).xml had no effect. `bin/bursar imports rejects 5` lists them."
    kinds, shown = render(escape_sentence(sentence))
    assert kinds == {"text", "code_inline"} | (kinds & {"text_special"})
    assert shown == sentence.replace("`", "")


def test_an_address_is_no_link() -> None:
    """Airflow makes a link of any address in a text, but not in code."""
    text = "the namespace is 'http://evil.example/a' and not HTTPS://com/x, see www.evil.example"
    expected = "the namespace is '`http://evil.example/a`' and not `HTTPS://com/x,` see `www.evil.example`"
    assert escape_markdown(text) == escape_sentence(text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\nc\u2028d", "a b c d"),
        ("\x1b[2J\x07", "\ufffd[2J\ufffd"),
        ("\u202egnp.exe\u2066", "\ufffdgnp.exe\ufffd"),
        ("\udcff.xml", "\ufffd.xml"),
        ("Größe שלום", "Größe שלום"),
    ],
)
def test_a_text_has_one_line_and_no_controls(text: str, line: str) -> None:
    assert replace_controls(text) == line
