"""The pages of a library's system: its check, values without a map, its outbox, and what people decide there."""

from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from bursar.errors import TransientError
from bursar.ledger.jobs import Job
from bursar.reporting.run_report import record_report
from bursar.sources.system import Finding
from tests.support.memory_system import ALL_ON
from tests.support.memory_town import Town
from tests.support.reports import make_report
from tests.web.conftest import Login
from tests.web.test_fines import words

SOURCE = """\
code: TOWN
name: Town Library
kind: memory
connection: town_system
owners: {Central Desk: MAIN}
fine_fee_types: {Overdue: OVERDUEFINE}
schedule: daily at 02:00
currency: USD
time_zone: America/New_York
"""


@pytest.fixture
def refused(registered_town: Town, profiles_folder: Path) -> Town:
    """A town that has refused event 1 about fine 1, and has a fine of an unknown type."""
    folder = profiles_folder.parent / "sources"
    folder.mkdir()
    (folder / "town.yaml").write_text(SOURCE, encoding="utf-8")
    town = registered_town
    town.change(write_back=ALL_ON)
    town.system.charge("1", "10.00")
    town.system.charge("2", "5.00", type="<b>Damage")
    town.read()
    town.bursar.export()
    town.system.faults = ["refuse"]
    town.write()
    return town


def test_a_refused_event_waits_for_a_person_and_is_in_the_life_of_its_fine(refused: Town, login: Login) -> None:
    client = login("user")
    waiting = words(client.get("/waiting").text)
    assert "Events for a library" in waiting
    assert "1 Town Library handed over to the bursar 10.00 USD" in waiting
    assert "refused the fine is closed Look and decide" in waiting
    life = words(login("admin").get("/fines/1").text)
    assert "event 1 for TOWN: handed over to the bursar, 10.00 USD; refused (the fine is closed)" in life


def test_the_pages_of_its_runs_say_that_a_system_is_synchronized(refused: Town, login: Login) -> None:
    record_report(refused.library.ledger, make_report(job=Job.SYNC, profile="TOWN", run_id="run"))
    client = login("viewer")
    for address in ("runs/run", "runs/other/progress"):
        page = client.get(f"/dags/bursar_sync__TOWN/{address}").text
        assert ("Synchronize with Town Library" in page, "Load Fines" in page) == (True, False), address


def test_a_person_has_an_event_tried_again(refused: Town, login: Login) -> None:
    client = login("user")
    assert "Refused. the fine is closed" in words(client.get("/outbox/1").text)
    assert client.post("/outbox/1/retry").status_code == 200
    assert "retry by user_person" in words(client.get("/outbox/1").text)
    assert client.post("/outbox/1/retry").status_code == 409
    refused.write()
    assert refused.system.count("1") == 1


def test_a_person_marks_an_event_as_done_with_the_balance_there(refused: Town, login: Login) -> None:
    client = login("user")
    for wrong, reason in (("x", "not an amount"), ("10.01", "between 0 and its amount")):
        response = client.post("/outbox/1/done", data={"balance": wrong})
        assert (response.status_code, reason in response.text, f'value="{wrong}"' in response.text) == (409, True, True)
    assert client.post("/outbox/1/done", data={"balance": " 0.00 "}).status_code == 200
    assert refused.rows("SELECT state, decided_by FROM outbox_events") == [("done", "user_person")]
    assert refused.rows("SELECT source_balance FROM fines WHERE source_id = '1'") == [(Decimal(0),)]


def test_who_may_only_read_decides_nothing(refused: Town, login: Login) -> None:
    client = login("viewer")
    page = client.get("/outbox/1").text
    assert "<button" not in page.partition("<main")[2]
    assert client.post("/outbox/1/retry").status_code == 403


def test_the_outbox_lists_the_events_of_a_source_by_state(refused: Town, login: Login) -> None:
    client = login("viewer")
    page = words(client.get("/sources/TOWN/outbox").text)
    assert "1 event waits for a person." in page
    assert "Show all · refused (1) Events" in page
    assert "1 1 handed over to the bursar 10.00 USD refused" in page
    assert "There are no such events" in client.get("/sources/TOWN/outbox?state=done").text


def test_the_page_of_a_source_has_the_lines_to_add_to_its_maps(refused: Town, login: Login) -> None:
    page = login("user").get("/sources/TOWN").text
    assert 'fine_fee_types "<b>Damage" : a type of fines 1' in unescape(words(page))
    assert "<b>Damage" not in page
    assert "handed over to the bursar refused 1" in words(page)


def test_the_check_of_a_system_shows_what_is_wrong_and_what_to_do(refused: Town, login: Login) -> None:
    client = login("user")
    refused.system.check = lambda: [  # type: ignore[method-assign]
        Finding("version", is_good=True, text="It is 7.", remedy=""),
        Finding("owners", is_good=False, text="East has none.", remedy="Add it."),
    ]
    page = words(client.get("/sources/TOWN/check").text)
    assert "1 of 2 findings is wrong." in page
    assert "owners wrong East has none. Add it. version good" in page

    def fail() -> list[Finding]:
        raise TransientError("the system can't be reached")

    refused.system.check = fail  # type: ignore[method-assign]
    response = client.get("/sources/TOWN/check")
    assert (response.status_code, "can&#39;t be reached" in response.text) == (502, True)
    assert client.get("/sources/NONE/check").status_code == 404
