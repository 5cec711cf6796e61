"""Pages show words for the codes of the ledger; a code stands small beside its words where documents name it."""

import re

import pytest

from bursar.exports.selection import select_fines
from bursar.ledger.batches import BatchState
from bursar.ledger.deliveries import DeliveryState
from bursar.ledger.entry_type import EntryType, FineStatus
from bursar.ledger.import_files import FileState, PaymentOutcome
from bursar.web.airflow_runs import AirflowRun
from bursar.web.pages import actions
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.web.conftest import Login
from tests.web.profiles import set_profile
from tests.web.test_fines import words
from tests.web.test_payment_decisions import add_repeated_file

TYPES = (BatchState, DeliveryState, EntryType, FileState, FineStatus, PaymentOutcome)
CODES = {code.value for one in TYPES for code in one}


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch) -> None:
    set_profile(monkeypatch)


def find_codes(page: str) -> set[str]:
    return CODES & set(re.findall(r"[A-Z_]+", words(page)))


@pytest.mark.parametrize("one", TYPES)
def test_each_code_has_words(one: type[BatchState]) -> None:
    assert all(code.description and not re.search("[A-Z]{2}|_", code.description) for code in one)


def test_the_life_of_a_fine_is_in_words(library: Library, login: Login) -> None:
    office = FakeBursar(library)
    fine, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "4"))
    office.pay(Payment(transaction, "0"), Payment(transaction, "8"))
    user = login("user")
    page = user.get(f"/fines/{fine}").text
    for part in (
        "charged",
        "exported",
        "paid at the bursar",
        "line 10: a part of what was outstanding",
        "line 20: more than was outstanding; the rest became a credit (2.00 USD)",
        "no effect",
        "sum 0: the sum is 0",
    ):
        assert part in words(page)
    others = (f"/users/{library.one('SELECT user_id FROM fines LIMIT 1')}", "/batches/1")
    assert [find_codes(one) for one in (page, *(user.get(address).text for address in others))] == [set()] * 3


def test_what_waits_and_the_state_of_a_batch_are_in_words(library: Library, login: Login) -> None:
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW).id
    user = login("user")
    confirmation = user.get(f"/batches/{batch}/repeat").text
    assert "The batch is selected, and its run is not known to Airflow" in words(confirmation)
    pages = (confirmation, *(user.get(address).text for address in ("/waiting", f"/batches/{batch}")))
    assert [find_codes(page) for page in pages] == [set()] * 3


def test_the_outcomes_of_a_file_are_in_words(library: Library, login: Login) -> None:
    arrival, user = add_repeated_file(library), login("user")
    path = f"/repeated-files/{arrival}"
    user.post(path, data={"other_payments": "yes"})
    page = user.get(path).text
    assert "Outcomes 1: a part of what was outstanding" in words(page)
    assert find_codes(page) == set()


def test_a_record_to_look_at_has_its_outcome_in_words_and_its_code_beside(library: Library, login: Login) -> None:
    office = FakeBursar(library)
    file = office.add_file(Payment("unknown", "1.00"))
    office.apply(file)
    page = login("user").get(f"/payment-files/{file}").text
    assert "no exported fine has this transaction id or internal id UNMATCHED" in words(page)
    assert "State applied" in words(page)
    assert find_codes(page) == {"UNMATCHED"}


def test_the_steps_of_a_run_are_in_words(library: Library, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    run = AirflowRun("running", {"build_file": "success", "import_file.load_file": "running"})
    monkeypatch.setattr(actions, "get_run", lambda _dag, _run_id: run)
    page = login("user").get("/dags/bursar_import__STUDENTS/runs/run/progress").text
    assert "The run is under way: loading of the file ." in words(page)
