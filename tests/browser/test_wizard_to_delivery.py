"""From nothing to a file at the bursar: the wizard with its messages at the fields, preview, dry run, and run."""

import csv
import re
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from demo.bursar_office import bills
from demo.library import Library
from tests.browser.conftest import (
    RUN_TIMEOUT_MS,
    OpenScreen,
    add_debtor,
    fill_in,
    follow,
    list_files,
    press,
    read_report,
)

pytestmark = pytest.mark.browser

FIRST_PAGE = {"code": "CAFE", "name": "Café people", "sftp_connection": "bursar_banner", "system": "Banner"}
SECOND_PAGE = {
    "export.active": "yes",
    "export.time_before_export_days": "0",
    "export.user_identifier_type": "userName",
    "export.institutional_fine_fee": "yes",
    "export.output_file_path": "cafe/out",
    "export.schedule": "monthly on day 1 at 04:00",
    "import.active": "no",
}


def test_a_system_is_added_and_its_file_delivered(screen: OpenScreen, library: Library, engine: Engine) -> None:
    add_debtor(engine, "CAFEFEE", "5.00", "7.50")
    shown = screen("op")
    frame = shown.open("")
    follow(frame, "Add external system")
    fill_in(frame, FIRST_PAGE)
    press(frame, "Next")
    fill_in(frame, SECOND_PAGE)
    frame.get_by_role("checkbox", name="CAFEFEE", exact=True).check()
    press(frame, "Try the connection")
    frame.get_by_text("the server is reached").wait_for()
    press(frame, "Preview the first export")
    frame.get_by_text("An export now would take 2 fines of 1 user.").wait_for()
    press(frame, "Save")
    frame.get_by_text("Airflow has read the profile.").wait_for(timeout=RUN_TIMEOUT_MS)
    shown.errors.clear()  # Airflow answers 404 until it has read the profile

    follow(frame, "Open the profile")
    follow(frame, "Preview")
    frame.get_by_text("An export would take 2 fines of 1 user, 12.50 USD.").wait_for()
    follow(frame, "Run")
    press(frame, "Dry run")
    assert read_report(frame) == ("completed (dry run)", "2 fines")
    assert list_files(library, "cafe/out") == []

    follow(frame, "Profiles")
    follow(frame, "Café people")
    follow(frame, "Run")
    press(frame, "Run now")
    assert read_report(frame) == ("completed", "2 fines")
    [file] = list_files(library, "cafe/out")
    assert sorted(bill.sum for bill in bills(file)) == [Decimal("5.00"), Decimal("7.50")]
    assert shown.errors == []
    follow(frame, "Open the run in Airflow")
    shown.page.wait_for_url(re.compile("/dags/bursar_export__CAFE/runs/manual"))


def test_a_wrong_field_has_the_message_of_the_model_and_nothing_typed_is_lost(screen: OpenScreen) -> None:
    shown = screen("op")
    page = shown.open_alone("wizard")
    fill_in(page, FIRST_PAGE | {"code": "CAFE BAR"})
    press(page, "Next")
    message = "'CAFE BAR' is not allowed here: write 1 to 30 letters, digits and underscores"
    assert page.locator("#field-code-error").text_content() == message
    code = page.locator("#field-code")
    assert code.get_attribute("aria-invalid") == "true"
    assert "field-code-error" in code.get_attribute("aria-describedby")
    assert page.locator("#field-name").input_value() == "Café people"
    page.get_by_role("alert").get_by_role("link", name="Code").click()
    assert page.evaluate("document.activeElement.id") == "field-code"
    assert shown.find_faults() == []

    code.fill("CAFE_BAR")
    press(page, "Next")
    fill_in(page, SECOND_PAGE | {"export.schedule": "nightly"})
    press(page, "Save")
    message = page.locator('[id="field-export.schedule-error"]').text_content()
    assert message.startswith("'nightly' is not a schedule")
    assert page.locator('[id="field-export.output_file_path"]').input_value() == "cafe/out"
    assert shown.find_faults() == []
    press(page, "Back")
    assert code.input_value() == "CAFE_BAR"


def test_a_preview_has_all_fines_as_csv(screen: OpenScreen) -> None:
    shown = screen("user")
    page = shown.open_alone("profiles/STAFF/preview")
    summary = page.get_by_text("An export would take").text_content()
    assert shown.find_faults() == []
    with page.expect_download() as download:
        follow(page, "Download all fines as CSV")
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        exported = [row for row in csv.DictReader(file) if row["words"] == "exported"]
    assert f" {len(exported)} fines " in summary
