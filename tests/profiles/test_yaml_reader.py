"""Reading YAML: every scalar is text, and everything that profiles do not use is a problem with its line."""

from pathlib import Path

import pytest

from bursar.profiles.yaml_reader import Source, read_yaml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


def read(file: Path, text: str) -> Source:
    file.write_text(text, encoding="utf-8")
    return read_yaml(file)


def list_problems(source: Source) -> list[str]:
    return [str(problem).removeprefix(source.file) for problem in source.problems]


@pytest.mark.parametrize(
    "written",
    [
        "12:30",
        "1.10",
        "02",
        "0x1F",
        "1_000",
        "1e3",
        "no",
        "Off",
        "2026-01-05",
        "12.",
        ".5",
        ".inf",
        "<<",
        "=",
        "00123456",
    ],
)
def test_a_value_is_the_text_of_the_file(file: Path, written: str) -> None:
    assert read(file, f"key: {written}\nlist: [{written}]\n").data == {"key": written, "list": [written]}


def test_a_file_that_is_read_again_has_its_own_data(file: Path) -> None:
    first = read(file, "key: [a]\n")
    assert isinstance(first.data, dict)
    first.data["key"] = None
    assert read(file, "key: [a]\n").data == {"key": ["a"]}
    assert read(file, "key: [b]\n").data == {"key": ["b"]}


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL", '""', "''", '"  "', "# a comment"])
def test_a_blank_value_is_none(file: Path, written: str) -> None:
    source = read(file, f"key: {written}\n")

    assert source.data == {"key": None}
    assert source.problems == ()


@pytest.mark.parametrize("written", ['"null"', "'~'"])
def test_a_quoted_null_is_text(file: Path, written: str) -> None:
    assert read(file, f"key: {written}\n").data == {"key": written[1:-1]}


def test_keys_and_list_items_have_their_lines(file: Path) -> None:
    source = read(file, "# top\na: 1\n\nb:\n  c: 2\n  d:\n    - x\n    - y\n")

    assert [source.line(place) for place in [("a",), ("b",), ("b", "c"), ("b", "d"), ("b", "d", 1)]] == [2, 4, 5, 6, 8]


def test_a_missing_key_has_the_line_of_its_section(file: Path) -> None:
    source = read(file, "a: 1\nb:\n  c: 2\n")

    assert source.line(("b", "x")) == 2
    assert source.line(("x", "y")) == 1


def test_a_byte_order_mark_and_windows_line_ends_are_ignored(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")

    source = read_yaml(file)

    assert source.data == {"a": "1", "b": "2"}
    assert source.line(("b",)) == 2


def test_duplicate_keys_are_problems_and_the_first_values_count(file: Path) -> None:
    source = read(file, "a: 1\nb:\n  c: 1\n  c: 2\na: 2\na: 3\n")

    assert source.data == {"a": "1", "b": {"c": "1"}}
    assert list_problems(source) == [
        ":4: b.c: is in line 3 already: keep one of the two",
        ":5: a: is in line 1 already: keep one of the two",
        ":6: a: is in line 1 already: keep one of the two",
    ]


def test_aliases_are_problems_and_are_not_expanded(file: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))

    source = read(file, bomb)

    assert len(source.problems) == 29 * 10
    assert {problem.message for problem in source.problems} == {"aliases (*) are not allowed: write the value again"}


def test_an_alias_of_its_own_section_is_a_problem(file: Path) -> None:
    assert list_problems(read(file, "a: &a\n  b: *a\n")) == [
        ":2: a.b: aliases (*) are not allowed: write the value again"
    ]


def test_tags_and_keys_that_are_not_text_are_problems(file: Path) -> None:
    assert list_problems(read(file, "a: !include x.yaml\n? [b]\n: 1\n")) == [
        ":1: a: the tag !include is not allowed here: remove it",
        ":2: a list or section can't be a key",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ":1: the file is empty"),
        (b"# only a comment\n", ":1: the file is empty"),
        (b"- a\n- b\n", ":1: expected lines of the form `key: value`"),
        (b"code:LAW\n", ":1: expected lines of the form `key: value`"),
        (b"a: 1\ncode:LAW\nb: 2\n", ":3: expected `key: value`, with a space after the colon"),
        (b"a:\n\tb: 1\n", ":2: there is a tab here: indent with spaces"),
        (b"a: 1\nname: Fines: all\n",
         ":2: a colon is not allowed here: put a value with a colon in quotes, or correct the indentation"),
        (b"a: 1\npattern: [A-Z]\\d{7}\n",
         ":2: text follows a closing quote or bracket: put the whole value in single quotes"),
        (b'a: 1\npattern: "\\d{8}"\n',
         ":2: double quotes give the backslash a meaning of its own: use single quotes"),
        (b"a: 1\n---\nb: 2\n", ":2: a second document starts here: one file holds one document"),
        (b"a: 1\nb: *nobody\n",
         ":2: this is not YAML: found undefined alias 'nobody'. Put values with signs such as : # [ { & * % @ in quotes"),  # noqa: E501
        (b"a: 1\nb: caf\xe9\n", ":2: byte 0xE9 is not UTF-8: save the file as UTF-8"),
        (b"a: 1\nb: x\x00y\n", ":2: the character U+0000 is not allowed in a file: remove it"),
        (b"a: " + b"[" * 1000, ":1: the brackets are nested too deeply"),
        (b"a: " + b"[" * 100_000 + b"]" * 100_000, ":1: the brackets are nested too deeply"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_yaml_mapping_has_one_problem(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)

    source = read_yaml(file)

    assert source.data is None
    assert list_problems(source) == [problem]


def test_a_file_that_cannot_be_read_is_a_problem(file: Path) -> None:
    assert list_problems(read_yaml(file)) == [":1: can't be read: No such file or directory"]

    file.mkdir()
    assert list_problems(read_yaml(file)) == [":1: can't be read: Is a directory"]


def test_columns_tell_several_keys_of_a_line_apart(file: Path) -> None:
    file.write_text("a: {b: 1, c: 2}\nd:\n  - e\na: 1\n", encoding="utf-8")
    source = read_yaml(file, with_columns=True)
    assert [source.column(place) for place in (("a", "b"), ("a", "c"), ("d", 0))] == [5, 11, 5]
    assert source.column(("a", "absent")) == 1
    assert source.column(("absent",)) is None
    assert list_problems(source) == [":4:1: a: is in line 1 already: keep one of the two"]
    assert read_yaml(file).column(("a", "c")) is None
