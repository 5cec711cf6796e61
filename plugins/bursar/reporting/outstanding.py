"""Counts what is outstanding at bursars, for the overview: a page can't add up a large ledger each time it is shown."""

from sqlalchemy import Engine

from bursar.db.queries import query

AGES = (0, 30, 90, 180, 365)
"""Lower bounds of the ages of exported fines, in days since their export."""


def count_outstanding(engine: Engine, time_zone: str) -> None:
    """Counts what is outstanding now, in the place of an earlier count of this week.

    Args:
        engine: the ledger.
        time_zone: the institution's, in which its weeks begin.
    """
    with engine.begin() as connection:
        connection.execute(query("reporting/count_outstanding"), {"zone": time_zone, "days": list(AGES)})


def describe_age(days: int) -> str:
    """Returns an age by its lower bound, in words: `30 to 89 days`."""
    above = next((bound for bound in AGES if bound > days), None)
    if above is None:
        return f"{days} days or more"
    return f"{days} to {above - 1} days" if days else f"less than {above} days"
