"""Composes the statements that render the lines of a batch, and that find the fines that do not fit.

Each value is computed once: a layer of values is a subquery, and OFFSET 0 keeps PostgreSQL from merging it with the
next one, which would compute a value wherever it is used.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bursar.layouts.flat.columns import LINE_BREAK, list_fit_tests, write_line
from bursar.layouts.flat.sql import BatchValues, Bindings, Writer, list_decimal_tests, order_derived, quote
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.layouts.layout import Layout
from bursar.layouts.model import Each
from bursar.layouts.templates import ValueType
from bursar.layouts.values import OF_BATCH, OF_FINE, OF_USER
from bursar.ledger.totals import CurrencyTotals

_CONTROL = r"'[\u0001-\u001F\u007F-\u009F\u2028\u2029\uFFFE\uFFFF]'"
_DIGITS = "sum(CAST(nullif(regexp_replace(CAST({} AS text), '[^0-9]', '', 'g'), '') AS numeric))"
_KIND = "line_kind(amount, reversal, reversed_transaction_id)"
_KEYS = 'number, fine_id, user_id AS "key.user", reversal AS "key.reversal"'
"""The columns that no value has, each with a dot in its name, so that a value of the layout's own may have any name."""
_TOTALS = {
    "fines": "count(*)",
    "sum": 'sum("amount")',
    "charges": 'coalesce(sum("amount") FILTER (WHERE "amount" > 0), 0)',
    "credits": 'coalesce(sum("amount") FILTER (WHERE "amount" < 0), 0)',
}


@dataclass(frozen=True)
class Lines:
    """Where the lines are that are rendered: a subquery with the columns of `batch_lines`, and what it has bound.

    `spelling` says how characters are written in ASCII, for layouts that want it.
    """

    source: str
    bindings: Bindings
    layout: Layout
    batch: BatchValues
    time_zone: str
    spelling: Mapping[str, str]

    def writer(self, each: Each) -> Writer:
        """Returns the writer of the expressions of a kind of records."""
        return Writer(self.layout, each, self.batch, self.bindings)


def select_kinds(source: str, kinds: Sequence[str] | None, bindings: Bindings) -> str:
    """Returns the subquery of those lines of a source that are of some kinds; None for all."""
    if kinds is None:
        return source
    wanted = bindings.add(f"{{{','.join(kinds)}}}", "text[]")
    return f"(SELECT * FROM {source} AS line WHERE {_KIND} = ANY ({wanted}))"


def select_fines(lines: Lines, names: Iterable[str]) -> str:
    """Returns the subquery of the values of the fines, in the order of their source, with `number` and the keys."""
    names = sorted((set(names) & OF_FINE.keys()) - OF_BATCH.keys())
    texts = [name for name in names if _is_text(name)]
    values = [f"{_get_value(lines, name)} AS {quote(f'{name}')}" for name in names if name not in ("number", "fine_id")]
    source = f"{lines.source} AS line"
    if texts:  # one test for all the texts of a line: hardly any has such a character
        test = f'concat({", ".join(texts)}) COLLATE "C" ~ {_CONTROL}'
        source += f" CROSS JOIN LATERAL (SELECT {test} AS has_control OFFSET 0) AS texts"
    query = f"(SELECT {', '.join([_KEYS, *values])} FROM {source} OFFSET 0)"
    if lines.layout.characters == "any" or not texts:
        return query
    spelling = lines.bindings.add(json.dumps(lines.spelling, ensure_ascii=False), "jsonb")
    spelled = [f"{_spell(quote(name), spelling)} AS {quote(name)}" if name in texts else quote(name) for name in names]
    others = [one for one in spelled if one not in ('"number"', '"fine_id"')]
    keys = 'number, fine_id, "key.user", "key.reversal"'
    return f"(SELECT {', '.join([keys, *others])} FROM {query} AS line OFFSET 0)"


def select_foreign_characters(lines: Lines) -> str | None:
    """Returns the statement of the characters of the texts that are not in ASCII; None if no text is used."""
    used = lines.layout.list_used()
    used = used | {name.partition(".")[2] for name in used if name.startswith("hash.")}
    texts = [f"CASE WHEN {_is_foreign(name)} THEN {name} END" for name in sorted(used) if _is_text(name)]
    if not texts:
        return None
    return (
        f"SELECT DISTINCT character FROM {lines.source} AS line "
        f"CROSS JOIN string_to_table(concat({', '.join(texts)}), NULL) AS character WHERE {_is_foreign('character')}"
    )


def _is_text(name: str) -> bool:
    """Returns whether a value is a text of a fine that a line has as it is."""
    return OF_FINE.get(name) is ValueType.TEXT and name not in ("direction", "kind")


def _is_foreign(text: str) -> str:
    """Returns the test for a text without control characters that is not in ASCII: in UTF-8 it has more bytes."""
    return f"octet_length({text}) > length({text})"


def _get_value(lines: Lines, name: str) -> str:
    """Returns the expression of a value of a fine. Texts have blanks for control characters and line breaks."""
    zone = lines.bindings.add(lines.time_zone)
    exported_on = lines.bindings.add(lines.batch.exported_on, "date")
    special = {
        "amount": "amount",
        "vat": "vat",
        "direction": "CASE WHEN amount < 0 THEN 'credit' ELSE 'charge' END",
        "kind": _KIND,
        "last_transaction_on": f"CAST(last_transaction_at AT TIME ZONE {zone} AS date)",
        "item_due_on": f"CAST(item_due_date AT TIME ZONE {zone} AS date)",
        "charged_on": f"coalesce((SELECT CAST(batches.selected_at AT TIME ZONE {zone} AS date) "
        "FROM batch_lines AS charges JOIN batches ON batches.id = charges.batch_id "
        f"WHERE charges.transaction_id = line.reversed_transaction_id), {exported_on})",
    }
    return special.get(name) or (
        f"CASE WHEN has_control THEN coalesce(regexp_replace({name} COLLATE \"C\", {_CONTROL}, ' ', 'g'), '') "
        f"ELSE coalesce({name}, '') END"
    )


def _spell(value: str, spelling: str) -> str:
    """Returns the expression of a text in ASCII; most texts are, and are not looked at character by character."""
    spelled = (
        f"SELECT string_agg(coalesce({spelling} ->> character, character), '' ORDER BY place) "
        f"FROM string_to_table({value}, NULL) WITH ORDINALITY AS characters (character, place)"
    )
    return f"CASE WHEN {_is_foreign(value)} THEN ({spelled}) ELSE {value} END"


def select_users(lines: Lines) -> str:
    """Returns the subquery of the values of the users, with their first and last lines (`key.first`, `key.last`)."""
    names = (
        lines.layout.list_used("user") | lines.layout.list_used("file") & {"sum", "charges", "credits"}
    ) - OF_BATCH.keys()
    aggregates = {name: _aggregate(name) for name in sorted(names) if "." in name}
    values = {
        **{name: f"min({quote(name)})" for name in OF_USER if name in names},
        **{name: total for name, total in _TOTALS.items() if name in names},
        **aggregates,
    }
    needed = {*OF_USER, "amount", *(name.partition(".")[2] for name in aggregates)}
    columns = ['"key.user"', 'min(number) AS "key.first"', 'max(number) AS "key.last"']
    columns += [f"{value} AS {quote(name)}" for name, value in values.items()]
    fines = select_fines(lines, needed)
    return f'(SELECT {", ".join(columns)} FROM {fines} AS fines GROUP BY "key.user" OFFSET 0)'


def _aggregate(name: str) -> str:
    function, _, value = name.partition(".")
    return _DIGITS.format(quote(value)) if function == "hash" else f"{function}({quote(value)})"


def select_file(lines: Lines, totals: CurrencyTotals, *, fines: int, users: int) -> str:
    """Returns the subquery of the values of the whole file: one row."""
    counts = {"fine": fines, "user": users, "file": 0}
    known = {
        "fines": fines,
        "users": users,
        "records": sum(counts[record.each] for record in lines.layout.records),
        "sum": totals.net,
        "charges": totals.charges,
        "credits": totals.credits,
    }
    names = lines.layout.list_used("file")
    columns = ['1 AS "key.file"']
    columns += [f"{lines.bindings.add(known[name], 'numeric')} AS {quote(name)}" for name in sorted(names & set(known))]
    for name in sorted(name for name in names if "." in name):
        columns.append(f"(SELECT {_aggregate(name)} FROM {_select_counted(lines, name)} AS counted) AS {quote(name)}")
    return f"(SELECT {', '.join(columns)} OFFSET 0)"


def _select_counted(lines: Lines, name: str) -> str:
    """Returns the subquery whose rows a total is of: fines, or users if it is a hash and the file has no fines."""
    function, _, value = name.partition(".")
    fines = select_fines(lines, {value})
    if function != "hash" or lines.layout.list_records("fine"):
        return fines
    return f'(SELECT DISTINCT ON ("key.user") {quote(value)} FROM {fines} AS fines ORDER BY "key.user", number)'


def select_texts(lines: Lines, each: Each, values: str) -> str:
    """Returns a subquery with the text of each column of the records of a kind, after `values` and derived values."""
    writer = lines.writer(each)
    for layer in order_derived(lines.layout, lines.layout.list_used(each)):
        columns = [f"{writer.derived(derived)} AS {quote(name)}" for name, derived in layer.items()]
        values = f"(SELECT one.*, {', '.join(columns)} FROM {values} AS one OFFSET 0)"
    texts = [
        f"{writer.template(column.value)} AS {name}"
        for number, record in lines.layout.list_records(each)
        for name, column in zip(name_texts(number, len(record.columns)), record.columns, strict=True)
    ]
    return f"(SELECT {', '.join(['one.*', *texts])} FROM {values} AS one OFFSET 0)"


def name_texts(number: int, columns: int) -> list[str]:
    """Returns the names of the columns of a subquery that have the texts of a record."""
    return [quote(f"text.{number}.{column}") for column in range(columns)]


def join_records(lines: Lines, numbers: Iterable[int]) -> str:
    """Returns the expression of the lines of records, with a line feed between two."""
    expressions = []
    for number in numbers:
        record = lines.layout.records[number]
        expressions.append(write_line(lines.layout, record, name_texts(number, len(record.columns)), lines.bindings))
    return f" || {LINE_BREAK} || ".join(expressions)


def select_body(lines: Lines) -> str:
    """Returns the statement of the lines of users and fines, in the order of the file.

    A row has the lines of one fine, with those that open its user before the first one, and those that close the user
    behind the last one. Without lines of fines, a row has those of one user.
    """
    layout = lines.layout
    users = [number for number, _ in layout.list_records("user")]
    fines = [number for number, _ in layout.list_records("fine")]
    if not fines:
        rows = select_texts(lines, "user", select_users(lines))
        return f'SELECT {join_records(lines, users)} FROM {rows} AS rows ORDER BY "key.first"'
    rows = select_texts(lines, "fine", select_fines(lines, layout.list_used("fine")))
    if not users:
        return f"SELECT {join_records(lines, fines)} FROM {rows} AS rows ORDER BY number"
    opening = [number for number in users if number < fines[0]]
    closing = [number for number in users if number > fines[0]]
    texts = select_texts(lines, "user", select_users(lines))
    parts = {"opening": opening, "closing": closing}
    shown = [f"{join_records(lines, part)} AS {name}" for name, part in parts.items() if part]
    shown = ['"key.first" AS first', '"key.last" AS last', *shown]
    of_users = f"(SELECT {', '.join(shown)} FROM {texts} AS texts OFFSET 0)"
    of_fines = f"(SELECT number, {join_records(lines, fines)} AS text FROM {rows} AS texts OFFSET 0)"
    before = f"CASE WHEN opened.first IS NULL THEN '' ELSE opened.opening || {LINE_BREAK} END || " if opening else ""
    behind = f" || CASE WHEN closed.last IS NULL THEN '' ELSE {LINE_BREAK} || closed.closing END" if closing else ""
    joined = f"{of_fines} AS rows"
    if opening:
        joined += " LEFT JOIN of_users AS opened ON opened.first = rows.number"
    if closing:
        joined += " LEFT JOIN of_users AS closed ON closed.last = rows.number"
    return f"WITH of_users AS {of_users} SELECT {before}rows.text{behind} FROM {joined} ORDER BY rows.number"


def select_unfit(lines: Lines, each: Each) -> str:
    """Returns the statement of what does not fit: the reason, and the keys of the fine or of the user."""
    layout = lines.layout
    # The decimals of an amount are checked also if only a total of the file shows it.
    values = select_users(lines) if each == "user" else select_fines(lines, layout.list_used("fine") | {"amount"})
    tests = [(test, UnfitReason.TOO_MANY_DECIMALS) for test in list_decimal_tests(layout, each)]
    for number, record in layout.list_records(each):
        for column, text in zip(record.columns, name_texts(number, len(record.columns)), strict=True):
            tests += list_fit_tests(layout, column, text, lines.bindings)
    branches = " ".join(f"WHEN {test} THEN '{reason}'" for test, reason in tests)
    keys = '"key.user" AS user_id' if each == "user" else 'fine_id, "key.reversal" AS reversal'
    reason = f"CASE {branches} END" if branches else "CAST(NULL AS text)"
    rows = select_texts(lines, each, values)
    return f"SELECT * FROM (SELECT {keys}, {reason} AS reason FROM {rows} AS rows) AS found WHERE reason IS NOT NULL"
