"""The check of a FOLIO: what is missing is named with a remedy, and nothing is changed."""

from copy import deepcopy
from typing import Any

import pytest

from bursar.errors import BursarError
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.open_system import open_system
from bursar.sources.system import Finding
from bursar.sources.system_account import SystemAccount
from tests.support.folio import make_folio_source
from tests.support.folio_server import PASSWORD, USER, FolioServer


def check(session: FolioSession, **changes: Any) -> dict[str, Finding]:
    findings = FolioSystem(make_folio_source(**changes), session).check()
    assert all(finding.is_good == (not finding.remedy) for finding in findings)
    by_subject = {finding.subject: finding for finding in findings}
    assert len(by_subject) == len(findings)
    return by_subject


def list_bad(session: FolioSession, **changes: Any) -> dict[str, str]:
    return {name: one.text for name, one in check(session, **changes).items() if not one.is_good}


def test_a_good_folio_has_no_fault_and_is_not_changed(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.library.charge(50)
    folio.library.charge(5, "Card", feeFineOwner="Law Circulation")
    before = deepcopy({name: table.by_id for name, table in folio.library.tables.items()})
    findings = check(folio_session)
    assert [one.text for one in findings.values() if not one.is_good] == []
    assert findings["version"].text == "FOLIO has feesfines 19.1."
    assert findings["open fines"].text == "FOLIO has 2 open fines of 1 user."
    assert set(findings) >= {"transfer", "pay", "waive", "cancel", "transfer account", "service point"}
    assert {name: table.by_id for name, table in folio.library.tables.items()} == before


def test_values_that_the_maps_lack_are_counted(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.library.charge(1, "Reminder")
    folio.library.charge(1, "Reminder", feeFineOwner="Map Room")
    folio.library.charge(1, feeFineOwner=None)
    assert list_bad(folio_session) == {
        "map owners": "The map lacks Map Room (1 fine), none (1 fine).",
        "map fine_fee_types": "The map lacks Reminder (2 fines).",
    }


@pytest.mark.parametrize(
    ("change", "subject", "text"),
    [
        ({"service_point": "desk"}, "service point", "FOLIO has no service point desk."),
        (
            {"payment_method": "Cash"},
            "payment method",
            "FOLIO has no payment method Cash for Law Circulation, Main Circulation.",
        ),
        ({"waive_reason": "Grace"}, "waive reason", "FOLIO has no waive reason Grace."),
        ({"owners": {"Main Circulation": "MAIN", "Main": "MAIN"}}, "owners", "FOLIO has no owner Main."),
        (
            {"transfer_account": "Other"},
            "transfer account",
            "FOLIO has no transfer account Other for Law Circulation, Main Circulation.",
        ),
        (
            {"refund_reason": "Error", "closes_fines_when": "paid"},
            "refund reason",
            "FOLIO has no refund reason Error.",
        ),
    ],
)
def test_names_that_folio_does_not_have(
    folio_session: FolioSession, change: dict[str, Any], subject: str, text: str
) -> None:
    assert list_bad(folio_session, **change) == {subject: text}


def test_names_that_the_source_does_not_have_yet(folio_session: FolioSession) -> None:
    names = ("service_point", "transfer_account", "payment_method", "waive_reason")
    bad = list_bad(folio_session, write_back={}, **dict.fromkeys(names))
    assert bad == {name.replace("_", " "): f"The file of the source has no `{name}`." for name in names}


def test_only_what_is_written_is_checked(folio_session: FolioSession) -> None:
    off = dict.fromkeys(("handed_over", "paid_at_bursar", "reversed", "owed_again"), "off")
    assert not check(folio_session, write_back=off).keys() & {"transfer", "pay", "service point", "transfer account"}


@pytest.mark.parametrize(
    ("permission", "subject"),
    [
        ("accounts.collection.get", "open fines"),
        ("feefineactions.collection.get", "actions"),
        ("users.collection.get", "users"),
        ("usergroups.collection.get", "users"),
        ("owners.collection.get", "owners"),
        ("transfers.collection.get", "transfer account"),
        ("inventory-storage.service-points.collection.get", "service point"),
        ("payments.collection.get", "payment method"),
        ("feesfines.accounts.transfer.post", "transfer"),
        ("feesfines.accounts.cancel.post", "cancel"),
    ],
)
def test_a_missing_permission_is_named_and_the_check_goes_on(
    folio: FolioServer, folio_session: FolioSession, permission: str, subject: str
) -> None:
    folio.traps.denied = {permission}
    findings = FolioSystem(make_folio_source(), folio_session).check()
    bad = [finding for finding in findings if not finding.is_good]
    assert [finding.subject for finding in bad] == [subject]
    assert f"lacks the permission {permission}." in bad[0].text
    assert len(findings) > 10


def test_eureka_does_not_say_its_version_and_that_is_no_fault(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.traps.is_eureka = True
    assert list_bad(folio_session) == {}


def test_the_kind_opens_a_folio(folio: FolioServer) -> None:
    account = SystemAccount(connection_id="folio", url=folio.url, login=USER, password=PASSWORD)
    with open_system(make_folio_source(), account) as system:
        assert all(finding.is_good for finding in system.check())


def test_a_refused_login_is_an_error(folio: FolioServer, folio_session: FolioSession) -> None:
    folio.traps.token_seconds = 0
    with pytest.raises(BursarError):
        check(folio_session)
