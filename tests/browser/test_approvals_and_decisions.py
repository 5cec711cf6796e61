"""Decisions of people: an approval, a rejected payment, an unclear delivery, and two edits of one profile."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.ledger.batches import Batch
from bursar.ledger.profile_revisions import get_revision
from demo.bursar_office import Bill, write_payments
from demo.library import SUB_DIRECTORY, Library
from tests.browser.conftest import (
    DAG_TIMEOUT_SECONDS,
    OpenScreen,
    add_debtor,
    fill_in,
    follow,
    list_files,
    press,
    read_report,
)
from tests.support.fixtures import make_profile, make_settings, record_delivery
from tests.support.managed_profiles import save_profile

pytestmark = pytest.mark.browser

NO_IMPORT: dict[str, Any] = {"import": {"active": "no"}}
IMPORT_ALONE: dict[str, Any] = {
    "export": {"active": "no"},
    "import": {
        "active": "yes",
        "input_file_path": "paid/in",
        "done_file_suffix": ".done",
        "schedule": "monthly on day 1 at 06:00",
    },
}


def make_export(code: str, **changes: Any) -> dict[str, Any]:
    """Returns an export section of fines of one type, as text."""
    return {
        "active": "yes",
        "time_before_export_days": "0",
        "user_identifier_type": "userName",
        "fine_fee_types": [f"{code}FEE"],
        "institutional_fine_fee": "yes",
        "output_file_path": f"{code.lower()}/out",
        "schedule": "monthly on day 1 at 04:00",
    } | changes


def add_batch(engine: Engine, code: str, work_dir: Path) -> Batch:
    """Adds a batch of two fines, 5.00 and 7.50, whose file is built and not uploaded."""
    add_debtor(engine, f"{code}FEE", "5.00", "7.50")
    profile = make_profile(code=code, **make_export(code))
    batch = select_fines(engine, profile, make_settings(), run_id="earlier", as_of=datetime.now(UTC))
    build_file(engine, batch.id, work_dir)
    return batch


def edit(page: Any, name: str, **export: str) -> None:
    """Changes the name on the first page of the wizard and fields of the export on the second, and saves."""
    fill_in(page, {"name": name})
    press(page, "Next")
    fill_in(page, {f"export.{field}": value for field, value in export.items()})
    press(page, "Save")


def test_an_approver_sees_the_fines_and_approves(screen: OpenScreen, library: Library, engine: Engine) -> None:
    client, dag = library.airflow.client, "bursar_export__LIMITED"
    add_debtor(engine, "LIMITEDFEE", "5.00", "7.50")
    save_profile(
        engine,
        "LIMITED",
        sftp_connection="bursar_banner",
        export=make_export("LIMITED", approval={"max_fines": "1"}),
        **NO_IMPORT,
    )
    client.wait_for_dags([dag], timeout=DAG_TIMEOUT_SECONDS)
    client.wait_for_approval(dag, client.trigger(dag))

    requester = screen("admin")
    page = requester.open_alone("waiting")
    page.get_by_role("row", name="LIMITED").get_by_role("link", name="Look and answer").click()
    page.get_by_text("may refuse it, but not approve it").wait_for()
    assert page.get_by_role("button", name="Approve").count() == 0
    assert requester.find_faults() == []

    shown = screen("user")
    frame = shown.open("waiting")
    frame.get_by_role("row", name="LIMITED").get_by_role("link", name="Look and answer").click()
    fines = frame.get_by_role("region", name="Fines of the batch")
    fines.wait_for()
    assert fines.get_by_role("cell", name="Kowalczyk, Ada").count() == 2
    assert fines.get_by_role("cell", name="7.50 USD").count() == 1
    assert list_files(library, "limited/out") == []
    press(frame, "Approve")
    assert read_report(frame) == ("completed", "2 fines")
    assert len(list_files(library, "limited/out")) == 1
    assert shown.errors == []


def test_a_rejected_payment_is_in_the_report_and_in_the_csv(
    screen: OpenScreen, library: Library, engine: Engine, tmp_path: Path
) -> None:
    batch = add_batch(engine, "PAID", tmp_path)
    record_delivery(engine, batch.id)
    close_fines(engine, batch.id)
    save_profile(engine, "PAID", sftp_connection="bursar_banner", **IMPORT_ALONE)
    library.airflow.client.wait_for_dags(["bursar_import__PAID"], timeout=DAG_TIMEOUT_SECONDS)
    with engine.connect() as connection:
        lines = connection.execute(text("SELECT * FROM batch_lines WHERE batch_id = :id"), {"id": batch.id})
        paid = [Bill(line.transaction_id, line.currency, line.amount) for line in lines]
    unknown = Bill("99999999999999", "USD", paid[0].sum)
    folder = library.folders["banner"] / SUB_DIRECTORY / "paid" / "in"
    write_payments([*paid, unknown], folder, "answer.xml", done_file_suffix=".done")

    shown = screen("user")
    page = shown.open_alone("profiles/PAID/actions")
    page.get_by_role("cell", name="answer.xml").wait_for()
    press(page, "Run now")
    assert read_report(page) == ("completed with warnings", "2 fines")
    follow(page, "answer.xml")
    row = page.get_by_role("region", name="Records to look at").get_by_role("row", name=unknown.transaction_id)
    assert "UNMATCHED" in row.text_content()
    with page.expect_download() as download:
        follow(page, "Download the records to look at as CSV")
    [_, line] = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert "answer.xml" in line
    assert unknown.transaction_id in line
    assert shown.errors == []


def test_an_unclear_batch_is_released_after_a_confirmation(
    screen: OpenScreen, library: Library, engine: Engine, tmp_path: Path
) -> None:
    batch = add_batch(engine, "LOST", tmp_path)
    (library.folders["banner"] / SUB_DIRECTORY / "lost" / "out").mkdir(parents=True)
    record_delivery(engine, batch.id, "unclear")

    shown = screen("user")
    page = shown.open_alone("waiting")
    assert shown.find_faults() == []
    page.get_by_role("row", name="LOST").get_by_role("link", name="The bursar does not have it").click()
    page.get_by_text("students are billed twice").wait_for()
    page.get_by_text(f"there is no {batch.file_name}").wait_for()
    assert shown.find_faults() == []
    press(page, "Release")  # the browser refuses it without the tick
    assert page.locator("input:invalid").count() == 1
    page.get_by_role("checkbox", name="I have asked the bursar").check()
    press(page, "Release")
    page.get_by_role("heading", name=f"Batch {batch.id}", exact=True).wait_for()
    released_by = page.locator(".facts div", has_text="Released by").locator("dd")
    assert released_by.text_content() == "approver"
    assert shown.open_alone("waiting").get_by_role("row", name="LOST").count() == 0
    with engine.connect() as connection:
        claims = text("SELECT count(*) FROM batch_claims WHERE batch_id = :id")
        assert connection.scalar(claims, {"id": batch.id}) == 0


def test_the_second_of_two_people_who_edit_a_profile_sees_both_changes(screen: OpenScreen, engine: Engine) -> None:
    save_profile(engine, "SHARED", export=make_export("SHARED", active="no"), **NO_IMPORT)
    first, second = screen("op"), screen("admin")
    anna, ben = first.open_alone("wizard/SHARED"), second.open_alone("wizard/SHARED")
    edit(anna, name="Anna's", schedule="daily at 03:00")
    anna.get_by_role("heading", name="SHARED is saved").wait_for()

    edit(ben, name="Ben's", output_file_path="ben/out")
    assert "operator has saved revision 2 of SHARED" in ben.get_by_role("alert").text_content()
    row = ben.get_by_role("region", name="Differences").get_by_role("row", name="Name")
    assert row.get_by_role("cell").all_text_contents() == ["Name", "Shared Library", "Anna's", "Ben's"]
    assert second.find_faults() == []
    press(ben, "Save")
    ben.get_by_role("heading", name="SHARED is saved").wait_for()
    with engine.connect() as connection:
        newest = get_revision(connection, "SHARED")
    assert newest is not None
    assert (newest.revision, newest.changed_by, newest.profile["name"]) == (3, "admin", "Ben's")
    assert newest.profile["export"]["schedule"] == "daily at 03:00"
    assert newest.profile["export"]["output_file_path"] == "ben/out"
