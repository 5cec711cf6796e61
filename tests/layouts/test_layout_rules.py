"""The static checks of a layout: each problem has its line, and says what to write instead."""

from pathlib import Path
from textwrap import dedent

import pytest

from bursar.layouts.layout import Layout
from bursar.layouts.read import get_layout, layout_schemas, load_layouts
from tests.support.layouts import EXAMPLES

GOOD = """\
kind: delimited
encoding: ascii
records:
  - each: fine
    columns:
      - {value: "{identifier}"}
"""


def find_problems(folder: Path, text: str) -> list[str]:
    path = folder / "mine.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return [str(problem).removeprefix(f"{path}:") for problem in load_layouts(folder)[1]]


def of_columns(*columns: str, keys: str = "kind: delimited") -> str:
    """Returns a layout with a record of each fine; its columns are on the lines from 5."""
    keys = keys.replace("; ", "\n")
    lines = "".join(f"\n    - {{{column}}}" for column in columns)
    return f"{keys}\nencoding: ascii\nrecords:\n  - each: fine\n    columns:{lines}\n"


FIXED = "kind: fixed"
PROBLEMS = {
    "two columns in one place": (
        of_columns("at: 1-3", "at: 3-5", keys=FIXED),
        "7:8: records.columns.at: 3-5 overlaps 1-3: the columns of a line have places of their own",
    ),
    "a column behind an open one": (
        of_columns('at: "2-"', "at: 5", keys=FIXED),
        "7:8: records.columns.at: 5 overlaps 2-",
    ),
    "a column without a place": (
        of_columns("value: a", keys=FIXED),
        "6:7: records.columns.at: is missing: the first and",
    ),
    "a place in a delimited line": (of_columns("at: 1-3"), "6:8: records.columns.at: belongs to `kind: fixed`"),
    "a width beside a place": (
        of_columns("at: 1-3, most: 3", keys=FIXED),
        "6:17: records.columns.most: belongs to `kind: d",
    ),
    "a constant that is too long": (
        of_columns("at: 1-3, value: LONG", keys=FIXED),
        "6:17: records.columns.value: 'LONG' has",
    ),
    "an unknown value": (of_columns('value: "{identifer}"'), "did you mean identifier?"),
    "a value of another line": (of_columns('value: "{records}"'), "only lines of each file have it"),
    "a wrong picture of money": (of_columns('value: "{amount:0.0}"'), "'0.0' is no picture of money: write 0.00, 0,00"),
    "an amount without a picture": (of_columns('value: "{amount}"'), "'' is no picture of money"),
    "a date without a picture": (of_columns('value: "{exported_on}"'), "write one as in %m/%d/%Y"),
    "the hour of a day": (of_columns('value: "{exported_on:%H}"'), "shows a time, and the value is a day"),
    "a wrong picture of a text": (of_columns('value: "{identifier:last}"'), "write upper, lower, first 7"),
    "a wrong picture of a number": (of_columns('value: "{number:5}"'), "write as many zeros as it has digits"),
    "a wrong brace": (of_columns('value: "{identifier"'), "write values in braces"),
    "a tab": (of_columns('value: "a\\tb"'), "the control character U+0009 is not allowed here"),
    "a character outside the encoding": (of_columns("value: é"), "'é' is not in the encoding ascii"),
    "a free text without quotes": (
        of_columns('value: "{item_title}"', keys="kind: delimited; quotes: never"),
        "{item_title} may have the delimiter ',', which `quotes: never` can't mark: write `quotes: needed`",
    ),
    "the delimiter in a constant": (of_columns('value: "a,b"', keys="kind: delimited; quotes: never"), "leave it out"),
    "the delimiter in an amount": (
        of_columns('value: "{amount:0,00}"', keys="kind: delimited; quotes: never"),
        "has the delimiter ',', and `quotes: never` can't mark it: leave it out",
    ),
    "a blank for a delimiter with quotes": (of_columns("delimiter: space"), "belongs to `quotes: never`"),
    "a heading without a name": (of_columns("value: a", keys="kind: delimited; heading: yes"), "each column has one"),
    "the delimiter in a heading": (
        of_columns('name: "a,b", value: a', keys="kind: delimited; heading: yes; quotes: never"),
        "8:8: records.columns.name: has the delimiter, which `quotes: never` can't mark",
    ),
    "a heading of a fixed line": (
        of_columns("at: 1", keys="kind: fixed; heading: yes"),
        "write a record with `each: f",
    ),
    "a cut without a width": (of_columns("value: a, cut: end"), "needs a width for `fill`, `align` and `cut`"),
    "two fills": (of_columns("value: a, fill: ab, most: 3"), "'ab' is not one character of ASCII"),
    "a name of a file with a folder": (
        of_columns("value: a", keys="kind: delimited; file_name: a/b"),
        "'/' is not allo",
    ),
    "a name of a file with slashes in a date": (
        of_columns("value: a", keys='kind: delimited; file_name: "{exported_on:%m/%d}"'),
        "has a sign that no file name may have",
    ),
    "a name of a file with a value of a fine": (
        of_columns("value: a", keys='kind: delimited; file_name: "{identifier}"'),
        "{identifier} is not known before the file",
    ),
    "no column": ("kind: delimited\nrecords: [{each: fine, columns: []}]\n", "2:24: records.columns: is empty"),
    "no fine": ("kind: delimited\nrecords: [{each: file, columns: [{value: a}]}]\n", "no fine would be in the file"),
    "a line for each library": (
        GOOD.replace("each: fine", "each: library"),
        "4:5: records.each: 'library' is not known here: write one of file, user, fine",
    ),
    "an unknown key": (GOOD + "recrods: []\n", "7:1: recrods: unknown key: did you mean records?"),
    "an unknown key of a column": (
        of_columns("vlaue: a"),
        "6:8: records.columns.vlaue: unknown key: did you mean value?",
    ),
    "utf-8 at fixed positions": (
        "kind: fixed\nrecords: [{each: fine, columns: [{at: 1}]}]\n",
        "1: encoding: a character may have several bytes in utf-8, which shifts the columns behind it",
    ),
    "a column beyond the line": (
        "kind: fixed\nencoding: ascii\nrecords:\n  - each: fine\n    length: 4\n    columns: [{at: 4-5}]\n",
        "6:16: records.columns.at: 4-5 is beyond the length of the line, 4",
    ),
    "an open column of a line with a length": (
        'kind: fixed\nencoding: ascii\nrecords: [{each: fine, length: 4, columns: [{at: "2-"}]}]\n',
        "has no fixed length",
    ),
    "a line of the file among fines": (
        (
            "kind: delimited\nrecords:\n  - {each: fine, columns: [{value: a}]}\n"
            "  - {each: file, columns: [{value: a}]}\n"
            "  - {each: fine, columns: [{value: a}]}\n"
        ),
        "4:6: records.each: a line of the file stands among those of users and fines",
    ),
    "a line of the user among fines": (
        (
            "kind: delimited\nrecords:\n  - {each: fine, columns: [{value: a}]}\n"
            "  - {each: user, columns: [{value: a}]}\n"
            "  - {each: fine, columns: [{value: a}]}\n"
        ),
        "4:6: records.each: a line of the user stands between two lines of a fine",
    ),
    "a code of an unknown value": (
        GOOD + "values: {c: {of: fine_type, codes: {A: B}}}\n",
        "did you mean fine_fee_type?",
    ),
    "a code that depends on itself": (
        GOOD + "values: {c: {of: [kind, c], codes: {A/B: B}}}\n",
        "itself",
    ),
    "a code with the name of a value": (GOOD + "values: {amount: {of: kind, codes: {A: B}}}\n", "choose another name"),
    "a key with too few parts": (
        GOOD + "values: {c: {of: [kind, direction], codes: {credit: B}}}\n",
        "7:45: values.c.codes.credit: 'credit' has not 2 parts, as `of` has",
    ),
    "a table without codes": (GOOD + "values: {c: {of: kind}}\n", "`of` and `codes` belong together"),
    "a due day without a rule": (
        GOOD + "values: {c: {due: {of: exported_on}}}\n",
        "7:14: values.c.due: write `next_day_of",
    ),
    "a due day from a text": (
        GOOD + "values: {c: {due: {of: kind, plus_days: 1}}}\n",
        "7:20: values.c.due.of: 'kind' is",
    ),
    "a due day with a code": (
        GOOD + "values: {c: {else: A, due: {of: exported_on, plus_days: 1}}}\n",
        "7:14: values.c.else: belongs to `codes`: remove it",
    ),
    "a code by a due day": (
        GOOD + "values: {c: {due: {of: exported_on, plus_days: 1}}, d: {of: c, codes: {A: B}}}\n",
        "values.d.of: 'c' is not a text of a fine",
    ),
    "a due day without a picture": (
        of_columns('value: "{c}"') + "values: {c: {due: {of: exported_on, plus_days: 1}}}\n",
        "{c}: '' is no picture of a date",
    ),
    "a due day of a line that lacks its day": (
        (
            "kind: delimited\nvalues: {c: {due: {of: item_due_on, plus_days: 1}}}\nrecords:\n"
            '  - {each: user, columns: [{value: "{c:%Y}"}]}\n'
        ),
        "{c} depends on item_due_on, which a line for each user does not have",
    ),
    "a term without a day": (GOOD + 'values: {c: {terms: {"01-01": A}}}\n', "`day` and `terms` belong together"),
    "a first day that is none": (
        GOOD + 'values: {c: {day: exported_on, terms: {"02-30": A}}}\n',
        "as in 08-16, or a date",
    ),
    "a term of a text": (GOOD + 'values: {c: {day: kind, terms: {"01-01": A}}}\n', "'kind' is not a day"),
    "a code of a term with a value": (
        GOOD + 'values: {c: {day: exported_on, terms: {"01-01": "{kind}"}}}\n',
        "{kind} is not a year: write {year}, {yy} or {year+1}",
    ),
    "terms with and without years": (
        GOOD + 'values: {c: {day: exported_on, terms: {"01-01": A, "2026-08-01": B}}}\n',
        "write all first days with a year, or all without",
    ),
    "a code that its line does not have": (
        (
            "kind: delimited\nvalues: {c: {of: kind, codes: {credit: A}}}\nrecords:\n"
            '  - {each: user, columns: [{value: "{c}"}]}\n'
        ),
        "4:29: records.columns.value: {c} depends on kind, which a line for each user does not have",
    ),
}


TWO = "files:\n  - {file_name: a.txt, kinds: charge}\n  - {file_name: b.txt, kinds: [credit, reversal]}\n"
OWN = "records: [{each: fine, columns: [{value: a}]}]"
PROBLEMS_OF_FILES = {
    "a kind without a file": (
        GOOD + TWO.replace("[credit, reversal]", "credit"),
        "no file has the fines of the kind",
    ),
    "a kind in two files": (
        GOOD + TWO.replace("[credit", "[charge, credit"),
        "9:24: files.kinds: charge is named",
    ),
    "a file without kinds": (
        GOOD + TWO + "  - {file_name: c.txt, kinds: []}\n",
        "10:24: files.kinds: is empty: write charge, credit or reversal",
    ),
    "an unknown kind": (GOOD + TWO.replace("kinds: charge", "kinds: [charge, fee]"), "files.kinds"),
    "one file": (
        GOOD + "files:\n  - {file_name: a.txt, kinds: [charge, credit, reversal]}\n",
        "7:1: files: has one file: write `file_name` and `records` without `files`",
    ),
    "a name beside the files": (GOOD + TWO + "file_name: c.txt\n", "each of `files` has a name of its own: remove it"),
    "a name twice": (GOOD + TWO.replace("b.txt", "a.txt"), "9:6: files.file_name: is the name of another file"),
    "a done file of the same name": (GOOD + "file_name: a\ndone_file: a\n", "8:1: done_file: is the name of another"),
    "a sign in the name of a done file": (
        GOOD + 'done_file: "a/b"\n',
        "7:1: done_file: '/' is not allowed in",
    ),
    "a value of a fine in a name": (
        GOOD + TWO.replace("b.txt", '"{kind}.txt"'),
        "9:6: files.file_name: {kind} is not",
    ),
    "own records with a wrong value": (
        GOOD + TWO.replace("kinds: charge", 'kinds: charge, records: [{each: fine, columns: [{value: "{nme}"}]}]'),
        "8:73: files.records.columns.value: {nme} is not a value of a line for each fine",
    ),
    "no records for one of the files": (
        "kind: delimited\n" + TWO.replace("kinds: charge", f"kinds: charge, {OWN}"),
        "no fine would be in the file: write a record",
    ),
    "no records": ("kind: delimited\n", "records: is missing"),
}
PROBLEMS |= PROBLEMS_OF_FILES


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_has_its_line_and_says_what_to_write(tmp_path: Path, case: str) -> None:
    text, expected = PROBLEMS[case]
    problems = find_problems(tmp_path, text)
    assert any(expected in problem for problem in problems), problems
    assert len(problems) == 1, problems


def test_a_good_layout_has_no_problems(tmp_path: Path) -> None:
    assert find_problems(tmp_path, GOOD) == []


def test_files_share_their_records_or_have_their_own(tmp_path: Path) -> None:
    own = "kinds: charge, records: [{each: user, columns: [{value: '{identifier}'}]}]"
    assert find_problems(tmp_path, GOOD + TWO) == []
    assert find_problems(tmp_path, GOOD + TWO.replace("kinds: charge", own)) == []
    (_, charges), (kinds, credits_) = load_layouts(tmp_path)[0]["mine"].list_files()
    assert [record.each for record in charges.records] == ["user"]
    assert ([record.each for record in credits_.records], kinds) == (["fine"], ("credit", "reversal"))


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml"])
def test_a_layout_that_is_listed_can_be_chosen(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GOOD, encoding="utf-8")
    assert load_layouts(tmp_path)[0] == {"mine": get_layout("mine", Layout, tmp_path)}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_layout_is_the_same_after_it_was_stored_with_its_batch(path: Path) -> None:
    good, _ = load_layouts(EXAMPLES)
    layout = good[path.stem]
    assert Layout.model_validate_json(layout.dump()) == layout
    for name, derived in layout.values.items():
        assert list(Layout.model_validate_json(layout.dump()).values[name].codes) == list(derived.codes)


def test_the_schema_in_include_is_up_to_date() -> None:
    for name, schema in layout_schemas().items():
        assert (EXAMPLES.parent / name).read_text(encoding="utf-8") == schema, "`bin/bursar layouts write-schema`"
