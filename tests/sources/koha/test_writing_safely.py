"""A Koha of which a part fails, and requests under way: what is written, and what a person learns."""

from decimal import Decimal
from typing import Any

from bursar.sources.koha.system import KohaSystem
from bursar.sources.outbox import WriteCounts
from bursar.sources.system import AnswerStatus
from tests.sources.koha.test_writing import make_event
from tests.support.koha_library import ADA, BEN
from tests.support.koha_server import KohaServer
from tests.support.koha_town import KohaTown
from tests.support.koha_traps import Moment


def test_a_patron_whose_account_always_fails_stops_no_other(town: KohaTown) -> None:
    first, second = (town.koha.state.charge(ADA, "NEW_CARD", "5") for _ in range(2))
    other = town.koha.state.charge(BEN, "NEW_CARD", "6")
    town.read()
    town.export()
    for _ in range(20):
        town.koha.traps.add_fault("GET", f"/patrons/{ADA}/account", Moment.ERROR_BEFORE)
    assert town.write() == WriteCounts(done=1, unknown=1, held=1)
    assert town.events() == [
        (str(first), "handed_over", "unknown"),
        (str(second), "handed_over", "pending"),
        (str(other), "handed_over", "done"),
    ]
    town.koha.traps.faults.clear()
    assert town.write() == WriteCounts(done=2)
    assert town.read() == []


def test_what_was_written_is_found_though_the_source_says_now_that_nothing_is(town: KohaTown) -> None:
    """Else the credit would count as a payment at the library, and the bursar would give the fine up."""
    fine = town.koha.state.charge(ADA, "NEW_CARD", "5")
    town.read()
    town.export()
    town.koha.traps.add_fault("POST", "/credits", Moment.AFTER)
    town.koha.traps.add_fault("GET", "/credits", Moment.BEFORE, skip=1)
    for _ in range(2):
        town.koha.traps.add_fault("GET", "/credits", Moment.BEFORE)
    assert town.write() == WriteCounts(unknown=1)
    town.change(closes_fines_when="paid")
    assert town.sync() == []
    assert town.events() == [(str(fine), "handed_over", "done")]
    assert town.position(fine) == ("0.00", "5.00", "0.00")


def test_a_credit_that_arrives_after_the_search_is_no_payment_at_the_library(
    koha: KohaServer, system: KohaSystem
) -> None:
    event = make_event(koha.state.charge(ADA, "NEW_CARD", "5"), is_repeated=True)
    assert system.find(event) is None
    get = system.client.http.get

    def arrive_before(*arguments: Any, **named: Any) -> Any:
        system.client.http.get = get  # type: ignore[method-assign]
        koha.state.credit(ADA, "BURSAR", "5", int(event.fine_id), note=event.text)
        return get(*arguments, **named)

    system.client.http.get = arrive_before  # type: ignore[method-assign]
    answer = system.write(event)
    assert (answer.status, answer.balance_change) == (AnswerStatus.DONE, Decimal(-5))
    assert "POST credits" not in koha.calls
