"""The rules over several keys of a layout; each error has its place and says what to write.

The module is long because the rules of both kinds of layouts share what they know of records and values.
"""

from collections.abc import Iterator
from itertools import pairwise

from pydantic_core import InitErrorDetails

from bursar.layouts.model import KINDS, Column, DerivedValue, Each, LayoutKeys, Record
from bursar.layouts.templates import Slot, Template, ValueType, check_picture, suggest
from bursar.layouts.terms import is_year
from bursar.layouts.text_files import SEPARATORS
from bursar.layouts.values import FREE_TEXTS, OF_BATCH, get_type, list_values
from bursar.profiles.rules import Rules, missing, wrong

_ONLY_DELIMITED = ("most", "blank", "delimiter")
_FORBIDDEN_IN_NAMES = set('/\\:*?"<>|')


def _list_columns(layout: LayoutKeys) -> Iterator[tuple[int, int, Record, Column]]:
    for number, record in enumerate(layout.records):
        for place, column in enumerate(record.columns):
            yield number, place, record, column


def _check_order(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that the records of the file surround those of users, and these surround those of fines."""
    kinds = [record.each for record in layout.records]
    body = [number for number, each in enumerate(kinds) if each != "file"]
    if not body:
        yield wrong("no fine would be in the file: write a record with `each: fine` or `each: user`", "records")
        return
    for number in range(body[0], body[-1]):
        if kinds[number] == "file":
            yield wrong(
                "a line of the file stands among those of users and fines: move it before or behind all of them",
                *("records", number, "each"),
            )
    fines = [number for number in body if kinds[number] == "fine"]
    for number in range(fines[0], fines[-1]) if fines else ():
        if kinds[number] == "user":
            yield wrong(
                "a line of the user stands between two lines of a fine: move it before or behind them",
                *("records", number, "each"),
            )


def _check_keys_of_kind(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that columns have the keys of the kind of their layout."""
    is_fixed = layout.kind == "fixed"
    for number, place, record, column in _list_columns(layout):
        at = ("records", number, "columns", place)
        if is_fixed:
            for key in _ONLY_DELIMITED:
                if getattr(column, key) is not None:
                    yield wrong("belongs to `kind: delimited`: remove it; the width follows from `at`", *at, key)
            if column.at is None:
                yield wrong("is missing: the first and the last character of the column, as in 12-20", *at, "at")
        elif column.at is not None:
            yield wrong("belongs to `kind: fixed`: remove it, or write `most` for the number of characters", *at, "at")
        if not is_fixed and record.length is not None and place == 0:
            yield wrong("belongs to `kind: fixed`: remove it", "records", number, "length")


def _check_positions(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that the columns of a fixed layout follow each other within the length of the line."""
    if layout.kind != "fixed":
        return
    for number, record in enumerate(layout.records):
        placed = [(column.at, place) for place, column in enumerate(record.columns) if column.at]
        placed.sort(key=lambda one: one[0].first)
        for (before, _), (after, place) in pairwise(placed):
            if before.last is None or before.last >= after.first:
                yield wrong(
                    f"{after} overlaps {before}: the columns of a line have places of their own",
                    *("records", number, "columns", place, "at"),
                )
        for position, place in placed:
            end = position.last or position.first
            if record.length is not None and end > record.length:
                yield wrong(
                    f"{position} is beyond the length of the line, {record.length}: correct one of the two",
                    *("records", number, "columns", place, "at"),
                )
            if record.length is not None and position.last is None:
                yield wrong(
                    "a column to the end of the line has no fixed length: write its last character, or remove `length`",
                    *("records", number, "columns", place, "at"),
                )


def _check_constants(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that the constant texts fit their columns and the encoding."""
    for number, place, _record, column in _list_columns(layout):
        at = ("records", number, "columns", place, "value")
        length = sum(map(len, column.value.constants))
        if column.width is not None and length > column.width and not column.cut:
            yield wrong(f"{str(column.value)!r} has more characters than its column, {column.width}", *at)
        yield from _check_characters(layout, column.value, at)
        if layout.heading and column.name:
            yield from _check_characters(layout, Template(""), (*at[:-1], "name"), column.name)
    for name, derived in layout.values.items():
        terms = ((("terms", day), code) for day, code in derived.terms.items())
        for key, code in (*_list_codes(derived), *terms):
            yield from _check_characters(layout, code, ("values", name, *key))


def _check_characters(
    layout: LayoutKeys, template: Template, at: tuple[str | int, ...], *texts: str
) -> Iterator[InitErrorDetails]:
    encoding = "ascii" if layout.characters == "ascii" else layout.encoding
    for text in (*texts, *template.constants):
        for character in text:
            try:
                character.encode(encoding)
            except UnicodeEncodeError:
                yield wrong(f"{character!r} is not in the encoding {encoding}: write other characters", *at)
                return


def _check_encoding(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    if layout.kind == "fixed" and layout.encoding == "utf-8" and layout.characters != "ascii":
        yield wrong(
            "a character may have several bytes in utf-8, which shifts the columns behind it: write ascii, iso-8859-1 "
            "or windows-1252, or `characters: ascii`",
            "encoding",
        )


def _check_values(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that each record has the values that its columns show, in pictures that they have."""
    for number, place, record, column in _list_columns(layout):
        at = ("records", number, "columns", place, "value")
        for slot in column.value.slots:
            yield from _check_slot(layout, slot, record.each, at)


def _check_slot(layout: LayoutKeys, slot: Slot, each: Each, at: tuple[str | int, ...]) -> Iterator[InitErrorDetails]:
    type_ = layout.get_type(slot.name, each)
    if type_ is None:
        elsewhere = [kind for kind in ("file", "user", "fine") if get_type(slot.name, kind)]
        known = {*list_values(each), *layout.values}
        reason = f"only lines of each {' or '.join(elsewhere)} have it" if elsewhere else suggest(slot.name, known)
        yield wrong(f"{{{slot.name}}} is not a value of a line for each {each}: {reason}", *at)
        return
    if slot.name in layout.values:
        for needed in sorted(layout.list_needed({slot.name}) - layout.values.keys()):
            if get_type(needed, each) is None and any(get_type(needed, kind) for kind in ("file", "user", "fine")):
                yield wrong(f"{{{slot.name}}} depends on {needed}, which a line for each {each} does not have", *at)
    try:
        check_picture(type_, slot.picture)
    except ValueError as error:
        yield wrong(f"{{{slot.name}}}: {error}", *at)


def _check_derived(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks the values of the layout's own: what they depend on, and that none depends on itself."""
    for name, derived in layout.values.items():
        at = ("values", name)
        if _get_any_type(name):
            yield wrong("is the name of a value that every layout has: choose another name", *at)
        if derived.day and _get_any_type(derived.day) is not ValueType.DATE:
            yield wrong(
                f"{derived.day!r} is not a day: write exported_on, last_transaction_on or charged_on", *at, "day"
            )
        if derived.due and _get_any_type(derived.due.of) is not ValueType.DATE:
            yield wrong(f"{derived.due.of!r} is not a day: write exported_on, or last_transaction_on", *at, "due", "of")
        for one in derived.of:
            if (layout.get_type(one, "fine") or _get_any_type(one)) not in (ValueType.TEXT, ValueType.NUMBER):
                yield wrong(f"{one!r} is not a text of a fine: {suggest(one, _list_all_names(layout))}", *at, "of")
        for place, code in _list_codes(derived):
            for slot in code.slots:
                yield from _check_code_slot(layout, slot, (*at, *place))
        yield from _check_terms(derived, at)
        if name in layout.list_needed(derived.needs):
            yield wrong("depends on itself: a code has to come from other values", *at)


def _check_terms(derived: DerivedValue, at: tuple[str, ...]) -> Iterator[InitErrorDetails]:
    for key, code in derived.terms.items():
        for slot in code.slots:
            if not is_year(slot.name) or slot.picture:
                yield wrong(f"{{{slot.name}}} is not a year: write {{year}}, {{yy}} or {{year+1}}", *at, "terms", key)
    if len({len(first) for first in derived.terms}) > 1:
        yield wrong("write all first days with a year, or all without", *at, "terms")


def _list_codes(derived: DerivedValue) -> Iterator[tuple[tuple[str, ...], Template]]:
    """Yields the codes of a table, each with its place."""
    for key, code in derived.codes.items():
        yield ("codes", key), code
    if derived.else_ is not None:
        yield ("else",), derived.else_


def _check_code_slot(layout: LayoutKeys, slot: Slot, at: tuple[str | int, ...]) -> Iterator[InitErrorDetails]:
    type_ = layout.get_type(slot.name, "fine") or _get_any_type(slot.name)
    if type_ is None:
        yield wrong(f"{{{slot.name}}} is not a value: {suggest(slot.name, _list_all_names(layout))}", *at)
        return
    try:
        check_picture(type_, slot.picture)
    except ValueError as error:
        yield wrong(f"{{{slot.name}}}: {error}", *at)


def _get_any_type(name: str) -> ValueType | None:
    return next((type_ for each in ("fine", "user", "file") if (type_ := get_type(name, each))), None)


def _list_all_names(layout: LayoutKeys) -> set[str]:
    return {*list_values("fine"), *layout.values}


def _check_delimiters(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that no column without quotes is sure to have the delimiter sooner or later."""
    if layout.kind == "fixed" or layout.quotes != "never":
        for number, place, _record, column in _list_columns(layout):
            if column.delimiter:
                yield wrong(
                    "belongs to `quotes: never`: remove it", *("records", number, "columns", place, "delimiter")
                )
        return
    separator = SEPARATORS[layout.delimiter]
    for number, place, _record, column in _list_columns(layout):
        at = ("records", number, "columns", place, "value")
        texts = {slot.name for slot in column.value.slots} & FREE_TEXTS
        if column.delimiter:
            continue
        pictures = [slot.picture for slot in column.value.slots]
        if any(separator in text for text in (*column.value.constants, *pictures)):
            yield wrong(f"has the delimiter {separator!r}, and `quotes: never` can't mark it: leave it out", *at)
        elif texts:
            yield wrong(
                f"{{{min(texts)}}} may have the delimiter {separator!r}, which `quotes: never` can't mark: write "
                "`quotes: needed`, or for this column `delimiter: space`, which writes a blank instead",
                *at,
            )


def _check_heading(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    if not layout.heading:
        return
    if layout.kind == "fixed":
        yield wrong("belongs to `kind: delimited`: write a record with `each: file`", "heading")
        return
    body = [number for number, record in enumerate(layout.records) if record.each != "file"]
    for number in body[:1]:
        for place, column in enumerate(layout.records[number].columns):
            at = ("records", number, "columns", place, "name")
            if column.name is None:
                yield wrong("is missing: with `heading: yes` each column has one", *at)
            elif layout.quotes == "never" and SEPARATORS[layout.delimiter] in column.name:
                yield wrong("has the delimiter, which `quotes: never` can't mark: leave it out", *at)


def _check_names(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    names: list[tuple[tuple[str | int, ...], Template]] = []
    if not layout.files:
        names.append((("file_name",), layout.file_name))
    names += [(("files", place, "file_name"), file.file_name) for place, file in enumerate(layout.files)]
    names += [(("done_file",), layout.done_file)] if layout.done_file is not None else []
    found: set[str] = set()
    for at, name in names:
        yield from _check_name(name, at)
        if name in found:
            yield wrong("is the name of another file of the export, too: write another name", *at)
        found.add(name)


def _check_name(name: Template, at: tuple[str | int, ...]) -> Iterator[InitErrorDetails]:
    for part in name.parts:
        if isinstance(part, str):
            if wrong_ones := _FORBIDDEN_IN_NAMES.intersection(part):
                yield wrong(f"{min(wrong_ones)!r} is not allowed in the name of a file: leave it out", *at)
        elif (type_ := OF_BATCH.get(part.name)) is None:
            yield wrong(f"{{{part.name}}} is not known before the file: {suggest(part.name, OF_BATCH)}", *at)
        else:
            try:
                check_picture(type_, part.picture)
            except ValueError as error:
                yield wrong(f"{{{part.name}}}: {error}", *at)
            if _FORBIDDEN_IN_NAMES.intersection(part.picture):
                yield wrong(f"{part.picture!r} has a sign that no file name may have: as in %Y%m%d", *at)
    if name.startswith((".", "-")) or not name:
        yield wrong("the name of a file begins with a letter or a digit: write one", *at)


def _check_records(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks the lines of the layout, and those that a file has of its own."""
    if layout.records or any(not file.records for file in layout.files):
        yield from _check_lines(layout)
    elif not layout.files:
        yield missing("records")
    found: set[tuple[str | int, ...]] = set()
    for place, file in enumerate(layout.files):
        for error in _check_lines(layout.get_file(place + 1)) if file.records else ():
            at = error.get("loc", ())
            if at[:1] == ("records",):
                yield {**error, "loc": ("files", place, *at)}
            elif at not in found:  # of a key that the files share
                yield error
                found.add(at)


def _check_lines(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    for rule in _RULES_OF_LINES:
        yield from rule(layout)


def _check_files(layout: LayoutKeys) -> Iterator[InitErrorDetails]:
    """Checks that each kind of fines belongs to one of several files: none is lost, and none is sent twice."""
    if not layout.files:
        return
    if "file_name" in layout.model_fields_set:
        yield wrong("each of `files` has a name of its own: remove it", "file_name")
    if len(layout.files) == 1:
        yield wrong("has one file: write `file_name` and `records` without `files`", "files")
    found: set[str] = set()
    for place, file in enumerate(layout.files):
        at = ("files", place, "kinds")
        if not file.kinds:
            yield wrong("is empty: write charge, credit or reversal", *at)
        for kind in file.kinds:
            if kind in found:
                yield wrong(f"{kind} is named twice, and such fines would be sent twice: write it once", *at)
            found.add(kind)
    if left := [kind for kind in KINDS if kind not in found]:
        yield wrong(f"no file has the fines of the kind {left[0]}: add it to one of them", "files")


_RULES_OF_LINES: Rules = (
    _check_order,
    _check_keys_of_kind,
    _check_positions,
    _check_constants,
    _check_values,
    _check_delimiters,
    _check_heading,
)
RULES: Rules = (
    _check_records,
    _check_encoding,
    _check_derived,
    _check_files,
    _check_names,
)
