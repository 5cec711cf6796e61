"""The reference of the ledger's tables shows the schema as it is."""

from sqlalchemy import Engine, text

from docs.reference.generate_database import COMMAND, PAGE, render_page


def test_the_page_shows_the_schema(owned_ledger: Engine) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(owned_ledger), f"The schema was changed: `{COMMAND}` writes {PAGE} anew."


def test_every_table_and_view_says_what_a_row_is(owned_ledger: Engine) -> None:
    with owned_ledger.connect() as connection:
        silent = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
                " AND relname <> 'alembic_version' AND obj_description(oid, 'pg_class') IS NULL"
            )
        ).scalars()
        assert list(silent) == []
