"""`python -m demo.write_files`: writes the CSV files of an invented library, to try a source with."""

from datetime import UTC, datetime
from pathlib import Path

import click

from bursar.money import pluralize
from demo.library_files import write_files


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--fines", default=1_000, show_default=True, type=click.IntRange(min=0), help="How many fines.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same library.")
def write(folder: Path, fines: int, seed: int) -> None:
    """Write the files of an invented library into a FOLDER, which `bin/bursar sources load` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = write_files(folder, fines=fines, seed=seed, now=datetime.now(UTC))
    for kind, rows in counts.items():
        click.echo(f"{folder / kind}.csv: {pluralize(rows, 'row')}")


if __name__ == "__main__":
    write(prog_name="python -m demo.write_files")
