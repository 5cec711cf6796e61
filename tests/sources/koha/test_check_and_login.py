"""The check of a Koha names what is missing before anything is read or written for good; logins of each kind."""

import pytest

from bursar.errors import BursarError
from bursar.sources.koha.system import KohaSystem
from bursar.sources.system import Finding
from tests.support.koha_library import ADA, BEN, ITEM, make_koha_source, open_system
from tests.support.koha_server import KohaServer


def find_problems(system: KohaSystem) -> dict[str, str]:
    """Returns text and remedy of what is not good, by subject; what is good needs no remedy."""
    findings = system.check()
    assert all(bool(finding.remedy) is not finding.is_good for finding in findings)
    return {finding.subject: f"{finding.text} {finding.remedy}" for finding in findings if not finding.is_good}


def test_a_koha_that_is_set_up_as_the_manual_says_passes(koha: KohaServer, system: KohaSystem) -> None:
    koha.state.charge(ADA, "LOST", "50", itemnumber=ITEM)
    koha.state.charge(BEN, "NEW_CARD", "5")
    before = len(koha.state.rows("SELECT * FROM accountlines"))
    assert system.check() == [
        Finding("saved report", is_good=True, text="Report 7 has the expected columns."),
        Finding("version", is_good=True, text="Koha 23.11."),
        Finding("SvcMaxReportRows", is_good=True, text="An answer has at most 100,000 rows."),
        Finding("credit type", is_good=True, text="BURSAR exists."),
        Finding("API", is_good=True, text="The login is accepted, and may read accounts."),
        Finding("fines", is_good=True, text="2 fines of 2 users."),
        Finding("owners", is_good=True, text="The map has 1 value that fines have."),
        Finding("fine_fee_types", is_good=True, text="The map has 2 values that fines have."),
        Finding("credit_types", is_good=True, text="The map has 0 values that fines have."),
        Finding("identifier BARCODE", is_good=True, text="0 users of 2 lack it."),
        Finding("identifier 02", is_good=True, text="0 users of 2 lack it."),
    ]
    assert len(koha.state.rows("SELECT * FROM accountlines")) == before, "the check changes nothing"
    assert koha.calls["POST credits"] == 0


def test_an_empty_koha_passes(system: KohaSystem) -> None:
    assert find_problems(system) == {}


def test_what_is_missing_in_koha_is_named_with_what_to_do(koha: KohaServer, system: KohaSystem) -> None:
    koha.state.set_preference("Version", "22.1105000")
    koha.set_max_report_rows(10)
    koha.state.rows("DELETE FROM account_credit_types WHERE code = 'BURSAR'")
    problems = find_problems(system)
    assert problems == {
        "version": "Koha 22.11. Bursar can't write into it. Update Koha to 23.05, or write off at each event in "
        "write_back.",
        "SvcMaxReportRows": "An answer has at most 10 rows. No row is lost, but many requests are needed. Set the "
        "system preference to 10000.",
        "credit type": "BURSAR does not exist, or is archived. Add the credit type BURSAR in Koha's administration.",
    }


def test_values_that_the_maps_lack_are_counted(koha: KohaServer) -> None:
    for type_ in ("LOST", "RENT", "RENT"):
        koha.state.charge(ADA, type_, "5", branchcode="LAW")
    koha.state.credit(ADA, "ONLINE", "5")
    koha.state.charge(BEN, "OVERDUE", "1", status="RETURNED")
    source = make_koha_source(owner_order=["line"], owners={"MAIN": "MAIN", "none": "institution"})
    with open_system(koha, source) as system:
        problems = find_problems(system)
    assert {subject: text.partition(". ")[0] for subject, text in problems.items()} == {
        "owners": "The map lacks LAW (4 fines)",
        "fine_fee_types": "The map lacks RENT (2 fines)",
        "credit_types": "The map lacks ONLINE (1 fine)",
    }
    assert "Add a line for each to owners in the source's file" in problems["owners"]


def test_an_identifier_that_no_user_has_is_named(koha: KohaServer) -> None:
    koha.state.charge(ADA, "NEW_CARD", "5")
    with open_system(koha, make_koha_source(identifiers={"02": "attribute MATRICULATION"})) as system:
        assert find_problems(system) == {
            "identifier 02": "1 user of 1 lacks it. No user has it. Check where it is in Koha, in identifiers of the "
            "source's file: attribute MATRICULATION."
        }


def test_a_missing_permission_is_named_as_koha_names_it(koha: KohaServer, system: KohaSystem) -> None:
    koha.state.charge(ADA, "NEW_CARD", "5")
    koha.traps.permissions -= {"updatecharges:remaining_permissions"}
    problems = find_problems(system)
    assert problems.keys() == {"API"}
    assert "updatecharges:remaining_permissions" in problems["API"]


def test_a_failed_login_to_the_staff_site_does_not_hide_what_the_api_says(koha: KohaServer) -> None:
    koha.traps.oauth = False
    with open_system(koha, password="not this one") as system:
        problems = find_problems(system)
    assert problems.keys() == {"saved report", "API"}
    assert "RESTOAuth2ClientCredentials is on" in problems["API"]
    assert "not this one" not in str(problems)


def test_basic_needs_its_system_preference(koha: KohaServer) -> None:
    with open_system(koha, client_id=None) as system:
        assert "RESTBasicAuth is on" in find_problems(system)["API"]
        koha.traps.basic_auth = True
        assert find_problems(system) == {}


def test_a_wrong_secret_is_named_and_not_shown(koha: KohaServer) -> None:
    with open_system(koha, client_secret="wrong-secret") as system:
        [(subject, text)] = find_problems(system).items()
    assert (subject, "access_denied" in text, "wrong-secret" in text) == ("API", True, False)


def test_a_token_is_renewed_before_its_end(koha: KohaServer, system: KohaSystem) -> None:
    koha.traps.token_seconds = 0.2
    koha.state.charge(ADA, "NEW_CARD", "5")
    system.check()
    assert koha.calls["POST token"] >= 1


def test_a_koha_of_19_06_shows_no_account_with_a_line_without_a_manager(koha: KohaServer, system: KohaSystem) -> None:
    koha.state.charge(ADA, "OVERDUE", "1", status="RETURNED")
    koha.traps.fails_without_manager = True
    assert "answers with the status 500 to the account of a patron" in find_problems(system)["API"]


def test_a_koha_that_answers_with_pages_is_named(koha: KohaServer) -> None:
    with open_system(koha, url=f"{koha.url}/opac") as system, pytest.raises(BursarError, match="staff site"):
        system.client.run_report(7, [])
