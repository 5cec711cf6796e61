"""The one database: PostgreSQL, the same everywhere."""

from pathlib import Path
from typing import Any, cast

import psycopg.sql
from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from bursar.errors import LedgerError

SCHEMA = Path(__file__).parents[3] / "include" / "sql" / "schema"


def ledger_engine(url: str) -> Engine:
    """Opens the ledger at a PostgreSQL URL, whatever driver the URL names.

    Sessions speak UTC, so that no timestamp depends on the machine. An engine is cheap until it is used;
    connections are not kept, since a task opens one and ends.
    """
    address = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(address, connect_args={"options": "-c TimeZone=UTC"}, poolclass=NullPool)


def migrate(engine: Engine) -> None:
    """Brings the ledger's schema to the newest version; an up-to-date ledger is left alone."""
    from alembic import command  # noqa: PLC0415  7 MB that no task needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCHEMA))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def grant(engine: Engine, role: str) -> None:
    """Gives the role of the DAGs the rights that the statements need, and takes from it all others.

    `engine` is that of the ledger's owner. The role must exist; PostgreSQL must be 17 or later.

    Raises:
        LedgerError: PostgreSQL refuses, or the role has a right from elsewhere that is wider; no right was changed.
    """
    rights = psycopg.sql.SQL((SCHEMA / "rights.sql").read_text(encoding="utf-8"))
    excess_rights = psycopg.sql.SQL((SCHEMA / "excess_rights.sql").read_text(encoding="utf-8"))
    try:
        with engine.begin() as connection:
            driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
            driver.execute(rights.format(role=psycopg.sql.Identifier(role)))
            excess = driver.execute(excess_rights, {"role": role}).fetchone()
            if excess:
                reason, remedy = excess
                raise LedgerError(
                    f"The rights of {role} can't be limited to what the DAGs need: {reason}. {remedy}. "
                    "No right was changed."
                )
    except (DBAPIError, psycopg.Error) as error:
        raise LedgerError(f"The rights of {role} can't be set: {error}. No right was changed.") from error
