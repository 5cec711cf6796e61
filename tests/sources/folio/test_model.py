"""The keys of a source of the kind `folio`."""

from typing import Any

import pytest
from pydantic import ValidationError

from bursar.sources.folio.model import FolioSource
from bursar.sources.kinds import KINDS
from tests.support.folio import FOLIO_SOURCE, make_folio_source

NEEDED = {"service_point", "transfer_account", "payment_method", "waive_reason"}


def test_the_kind_is_registered() -> None:
    assert KINDS["folio"] is FolioSource


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tenant": "My Library"}, "write the id of the tenant"),
        ({"identifiers": {"02": "email"}}, "write username, barcode, externalSystemId"),
        ({"primary_id": "id"}, "username"),
        ({"kind": "koha"}, "folio"),
    ],
)
def test_wrong_values_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        make_folio_source(**change)


@pytest.mark.parametrize("key", sorted(NEEDED))
def test_what_a_written_event_needs_is_required(key: str) -> None:
    with pytest.raises(ValidationError, match="is needed for the events"):
        make_folio_source(**{key: None})
    assert getattr(FolioSource(**FOLIO_SOURCE | {"write_back": {}, key: None}), key) is None


@pytest.mark.parametrize(
    ("write_back", "closes", "needed"),
    [
        ({}, "handed_over", set()),
        ({"handed_over": "on"}, "handed_over", {"service_point", "transfer_account"}),
        ({"paid_at_bursar": "on", "owed_again": "on"}, "handed_over", set()),
        ({"paid_at_bursar": "on"}, "paid", {"service_point", "payment_method"}),
        ({"owed_again": "on"}, "paid", {"service_point", "refund_reason"}),
        ({"reversed": "on"}, "paid", {"service_point", "payment_method", "waive_reason"}),
    ],
)
def test_what_is_needed_depends_on_what_is_written(write_back: dict[str, str], closes: str, needed: set[str]) -> None:
    assert make_folio_source(write_back=write_back, closes_fines_when=closes).list_needed() == needed
