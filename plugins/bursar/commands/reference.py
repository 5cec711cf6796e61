"""The reference of all commands, for docs/reference/commands.md; `make reference` writes it."""

import inspect

import click

HEADER = """\
# Commands

<!-- `make reference` writes this file from the help texts in plugins/bursar/commands. -->

`bin/bursar` finds the ledger by Airflow's connection `bursar_ledger`. Every command takes `-h` and `--help`.

With `--format json`, a command prints one JSON value. Amounts are text with the decimals of their currency, as
`"1234.50"`; moments are ISO 8601 in UTC, as `"2026-03-01T02:00:00Z"`.

Exit status: 0 if the command succeeded, 1 if it failed or found problems, 2 if it was called wrongly.
"""


def render_reference(root: click.Group) -> str:
    """Returns the reference of a program as Markdown: each group with its commands, arguments and options."""
    parts = [HEADER]
    for group_name, group in sorted(root.commands.items()):
        parts.append(f"## {group_name}\n\n{_get_help(group)}\n")
        if isinstance(group, click.Group):
            parts += [_render_command(f"{group_name} {name}", command) for name, command in group.commands.items()]
    return "\n".join(parts)


def _render_command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"bin/bursar {name}")
    text = f"### {name}\n\n```sh\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```\n"
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


if __name__ == "__main__":
    from bursar.__main__ import bursar

    click.echo(render_reference(bursar), nl=False)
