"""A person has several events tried again in one go: all of them, or none."""

import pytest

from bursar.errors import LedgerError
from bursar.sources.outbox import WriteCounts
from bursar.sources.outbox_events import retry_event
from tests.support.memory_town import Town


def test_several_events_are_tried_again_or_none(town: Town) -> None:
    for number in "123":
        town.system.charge(number, "10.00")
    town.read()
    town.bursar.export()
    town.system.faults = ["refuse", "refuse"]
    town.write()
    with pytest.raises(LedgerError, match="Event 3 is done"):
        retry_event(town.library.ledger, 1, 2, 3, by="anna")
    assert [one[3] for one in town.events()] == ["refused", "refused", "done"]
    retry_event(town.library.ledger, 1, 2, by="anna")
    assert town.write() == WriteCounts(done=2)
