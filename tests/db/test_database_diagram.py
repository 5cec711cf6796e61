"""The reference page of the ledger's tables: it is up to date."""

from sqlalchemy import Engine, text

from docs.reference.generate_database import COMMAND, PAGE, render_page


def test_the_page_is_up_to_date(owned_ledger: Engine) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(owned_ledger), f"The schema was changed: `{COMMAND}` writes {PAGE} again."


def test_every_table_and_view_says_what_a_row_is(owned_ledger: Engine) -> None:
    with owned_ledger.connect() as connection:
        silent = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
                " AND relname <> 'alembic_version' AND obj_description(oid, 'pg_class') IS NULL"
            )
        ).scalars()
        assert list(silent) == []
