"""Writes the pages of docs/reference about profiles, settings, sources, layouts and commands: `make reference`.

The models are the source of keys, values, defaults and descriptions, bin/bursar is that of commands and options. A test
compares the pages with them.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bursar.__main__ import bursar
from bursar.layouts.layout import Layout
from bursar.layouts.payments.model import PaymentLayout
from bursar.layouts.payments.statement import StatementLayout
from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.layouts.templates import Template
from bursar.layouts.text_files import Position
from bursar.profiles import Profile, Settings
from bursar.profiles.field_types import (
    REQUIRED_IF_ACTIVE,
    IdentifierPattern,
    Lines,
    Matches,
    RelativePath,
    TimeZone,
)
from bursar.profiles.schedule import Schedule
from bursar.sources.csv.model import CsvSource
from bursar.sources.kinds import KINDS
from bursar.sources.read import FROM_SETTINGS
from bursar.sources.system_model import SystemSource
from docs.reference.commands import render_reference
from docs.reference.layouts import describe_layouts

FOLDER = Path(__file__).parent
COMMAND = "make reference"
TEXT_KINDS = {  # by the last mark of a type
    get_args(Lines)[2]: "text of one or more lines",
    get_args(TimeZone)[-1]: "time zone, as in `America/New_York`",
    get_args(RelativePath)[-1]: "relative path of a folder, as in `students/out`",
    get_args(IdentifierPattern)[-1]: "regular expression of PostgreSQL",
}
LAYOUT_KINDS = {
    Template: "text with values in braces",
    Position: "position, as in `12-20`",
    MoneyPicture: "picture of money, as in `0.00`",
    DatePicture: "picture of a day, as in `%Y-%m-%d`",
}
SCHEDULE = "`daily at 02:00`, `weekly on Sunday at 03:00`, `monthly on day 1 at 04:00` or `cron 0 2 * * 1-5`"
HEADER = """# {title}

<!-- Written by `{command}` from the models in plugins/bursar/{part}. Change the models, not this page. -->

{introduction}

A blank key counts as absent. An unknown key is an error. A list is in brackets, or has one entry a line after a hyphen.
"""
PROFILE = """The keys of a profile, `include/profiles/*.yaml`. [Write a profile](../how-to/write-a-profile.md) has an
example. In a section that is not active, required keys may be absent."""
SOURCES = """A source is a folder from which users and fines are loaded, on schedule, or a system with an API:
[FOLIO](source-folio.md) or [Koha](source-koha.md). These are the keys of the file of a folder,
`include/sources/*.yaml`. The name of the file is the code in lower case: `library.yaml` for `LIBRARY`. [CSV
files](csv.md) describes what is in the files that a source takes.

```sh
cp include/sources.examples/library.yaml include/sources/koha.yaml    # with code: KOHA
bin/bursar sources check                                              # prints problems with file, line and field
bin/bursar sources show KOHA                                          # with all values, also the defaults
```

A wrong source does not affect the others. Two active sources whose patterns match the same name, in the same folder of
the same connection, are both wrong: each file is for one source. A source that may take the payment files of a profile
is wrong, too; `bin/bursar profiles check` reports it as well.

## How a source is loaded

Each active source has a DAG, `bursar_sync__<code>`, named *Load Fines from <name>*, with three tasks:

1. `wait_for_files` waits in Airflow's triggerer until at least one file of users and one of fines are ready, as far as
   the source has them. Files of groups and libraries are taken if they are there. At the end of `timeout_minutes`, the
   run takes what is ready. If nothing is, it ends as `on_timeout` says.
2. `load_files` fetches the files, loads them as [Loading fines](loading.md) describes, and moves them to
   `archive_folder`. If several files of a kind are ready, the first load takes the oldest of each kind, the second load
   the next, and so on. A load that is refused is moved to `failed`: the run fails, names the load, and still loads what
   follows. `bin/bursar sources loads rejects` lists the rows with what to do.
3. `report_run` writes the job report, mails it, and notes the outcome in Airflow.

- A file that was loaded is not loaded again while it stays there with the same size and time, as with
  `after_load: leave`. A server that lists no times can't have files that stay: each run would load them again.
- A task that was killed can be repeated: a load that is recorded is not repeated, its files are moved away. While a run
  or a command loads a source, no other one does.
- Values of rows are only in the report of rejected rows. Logs, notes, mails and job reports have counts, codes and
  lines.
- A folder without a connection has to be on each machine that runs tasks, and on that of the triggerer.
- *Trigger* has a dry run, which counts what a load would change.
- An alert `max_days_without_load` needs a load that was not refused, by the DAG or by hand.

`bin/bursar sources load <code>` does the same by hand, without waiting; `--dry-run` prints what would change, and
`--strict` loads all rows or none."""
SYSTEMS = """The keys of a source that is a library's system. Bursar reads its fines over the API, and writes what
became of them: [Outbox](outbox.md)."""
PAYMENT_LAYOUTS = """\
A payment layout says how a bursar writes its files of payments, if they are not [XML](payment-file.md). It is a file of
`include/layouts` with `for: payments`, which a profile chooses by its name, as in `layout: campus` below `import`.
[Read the bursar's files](../how-to/read-payment-files.md) shows how to make one.

## Keys"""
STATEMENT_LAYOUTS = """\
A statement layout says how a bursar writes its statements. It is a file of `include/layouts` with `for: statement`,
which a profile chooses by its name, as in `layout: campus_open` below `statement`. [Compare with the bursar's
statements](../how-to/compare-with-statements.md) shows how to make one, and what the outcomes mean.

## Keys"""
SETTINGS = "The keys of `include/bursar.yaml`, which apply to the whole institution."


def main() -> None:
    """Writes the pages into the folder of this module."""
    for name, page in pages().items():
        (FOLDER / name).write_text(page, encoding="utf-8")


def pages() -> dict[str, str]:
    """Returns the text of each page by its file name."""
    systems = {kind: model for kind, model in KINDS.items() if issubclass(model, SystemSource)}
    return {
        "profile.md": _page("Profile", PROFILE, Profile, filled_in=("time_zone",)),  # the loader takes it from Settings
        "settings.md": _page("Settings", SETTINGS, Settings),
        "sources.md": _page("Sources", SOURCES, CsvSource, filled_in=FROM_SETTINGS, part="sources"),
        **{
            f"source-{kind}.md": _page(
                f"Sources of the kind {kind}", SYSTEMS, model, filled_in=FROM_SETTINGS, part="sources"
            )
            for kind, model in systems.items()
        },
        "layouts.md": _page("Layouts", describe_layouts(), Layout, part="layouts"),
        "payment-layouts.md": _page("Payment layouts", PAYMENT_LAYOUTS, PaymentLayout, part="layouts"),
        "statement-layouts.md": _page("Statement layouts", STATEMENT_LAYOUTS, StatementLayout, part="layouts"),
        "commands.md": render_reference(bursar),
    }


def _page(
    title: str, introduction: str, model: type[BaseModel], filled_in: Collection[str] = (), part: str = "profiles"
) -> str:
    header = HEADER.format(title=title, command=COMMAND, introduction=introduction, part=part)
    return "\n".join([header, *_section(model, "", filled_in)])


def _section(model: type[BaseModel], path: str, filled_in: Collection[str] = ()) -> Iterator[str]:
    """Yields the lines of a model's table, then those of its nested models, each below a heading."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    yield "| key | value | default | description |"
    yield "| --- | --- | --- | --- |"
    for key, field in fields.items():
        default = "blank" if key in filled_in else _default(field)
        cells = (f"`{key}`", _values(field), default, field.description or "")
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
    yield ""
    for key, field in fields.items():
        if section := _find_section(field.annotation):
            yield f"## {path}{key}\n\n{field.description}\n"
            yield from _section(section, f"{path}{key}.")


def _find_section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  an annotation is any object
    """Returns the model that a field has, also in a list or as the value of a name; None if it has none."""
    if get_origin(annotation) in (tuple, dict, UnionType):
        arguments = [one for one in get_args(annotation) if one not in (..., NoneType)]
        return _find_section(arguments[-1])
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _default(field: FieldInfo) -> str:
    if REQUIRED_IF_ACTIVE in field.metadata:
        return "required if active"
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel) or value in (None, (), "", {}):
        return "blank"
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    return f"`[{', '.join(map(repr, value))}]`" if isinstance(value, tuple) else f"`{value}`"


def _values(field: FieldInfo) -> str:
    if get_origin(field.annotation) is dict:
        return "sections with names, below" if _find_section(field.annotation) else "keys with texts"
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: list[Any]) -> str:  # noqa: ANN401  an annotation is any object
    """Returns the values that an annotation with its metadata permits."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, UnionType):
        return _kind(next(one for one in arguments if one is not NoneType), metadata)
    if origin is tuple:
        return f"list of {_kind(arguments[0], [])}"
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if issubclass(annotation, BaseModel):
        return "section, below"
    simple: dict[type, str] = {
        str: _text(metadata),
        int: _range(metadata),
        bool: "`yes`, `no`",
        Schedule: SCHEDULE,
        Path: "path",
    } | LAYOUT_KINDS
    return simple[annotation]


def _text(metadata: list[Any]) -> str:
    if matches := [one for one in metadata if isinstance(one, Matches)]:
        return f"text: {matches[0].hint.removeprefix('write ')}"
    return next((TEXT_KINDS[one] for one in metadata if one in TEXT_KINDS), "text")


def _range(metadata: list[Any]) -> str:
    bounds = [bound for one in metadata for bound in (one.metadata if isinstance(one, FieldInfo) else [one])]
    lowest = next((bound.ge for bound in bounds if isinstance(bound, Ge)), 0)
    highest = next((bound.le for bound in bounds if isinstance(bound, Le)), None)
    return f"whole number, {lowest} or more" if highest is None else f"whole number, {lowest} to {highest}"


if __name__ == "__main__":
    main()
