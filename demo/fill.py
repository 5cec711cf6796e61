"""`python -m demo.fill`: fills the empty ledger of the connection `bursar_ledger` with an invented library."""

from datetime import UTC, datetime

import click

from bursar.commands.context import get_engine
from demo import ledger_data


@click.command()
@click.option("--fines", default=1_000, show_default=True, type=click.IntRange(min=0), help="How many fines.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same library.")
def fill(fines: int, seed: int) -> None:
    """Fill an empty, migrated ledger with an invented library. Run it as the owner of the ledger."""
    counts = ledger_data.fill(get_engine(), fines=fines, seed=seed, now=datetime.now(UTC))
    contents = (f"{table.replace('_', ' ')}: {count:,}" for table, count in counts.items())
    click.echo(f"The ledger has been filled. {', '.join(contents).capitalize()}.")


if __name__ == "__main__":
    fill(prog_name="python -m demo.fill")
