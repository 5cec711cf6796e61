"""The text of docs/reference/commands.md, from the help texts of bin/bursar."""

import inspect

import click

HEADER = """\
# Commands

<!-- `make reference` writes this file from the help texts in plugins/bursar/commands. -->

`bin/bursar` finds the ledger by Airflow's connection `bursar_ledger`. Every command takes `-h` and `--help`.

The ledger records the person who acts: `bin/bursar --by anna desk pay 42`, or the variable `BURSAR_USER`, or else the
login of the operating system, of the person behind `sudo` if there is one.

Every command takes `--format json`, with which it prints one JSON value, and `--format csv`, a table for spreadsheets.
Questions and remarks are on the standard error. Amounts are text with the decimals of their currency, as `"1234.50"`;
moments are ISO 8601 in UTC, as `"2026-03-01T02:00:00Z"`. Tables name the time zone, which is UTC, and leave out columns
where a screen is too narrow.

Exit status: 0 if the command succeeded, 1 if it failed or found problems, 2 if it was called wrongly, as with an
unknown id or a date that does not exist, or if a file can't be read.
"""


def render_reference(root: click.Group) -> str:
    """Returns the reference of a program as Markdown: each group with its commands, arguments and options."""
    parts = [HEADER]
    root_context = click.Context(root, info_name="bin/bursar", **root.context_settings)
    for group_name, group in sorted(root.commands.items()):
        parts.append(f"## {group_name}\n\n{_get_help(group)}\n")
        if isinstance(group, click.Group):
            context = click.Context(group, parent=root_context, info_name=group_name)
            parts += [_render_command(name, command, context) for name, command in group.commands.items()]
    return "\n".join(parts)


def _render_command(name: str, command: click.Command, group: click.Context) -> str:
    context = click.Context(command, parent=group, info_name=name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"### {group.info_name} {name}\n\n```sh\n{usage}\n```\n"
    text += f"\n{_get_help(command)}\n"
    records = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    if records:
        rows = (f"| `{option.replace('|', chr(92) + '|')}` | {words} |" for option, words in records)
        text += "\n| option | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"
    return text


def _get_help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")
