"""The layouts: the list, the trial with invented fines and with those of a batch, and the fields of the wizard."""

import shutil
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.profiles import INCLUDE, Profile
from bursar.web import rights
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.profile_forms import fill_form, find_errors
from tests.web.conftest import ROLES, Login
from tests.web.fab import FabManager, dag_permissions
from tests.web.profiles import set_profile
from tests.web.test_fines import words

RIGHT_TO_LEFT = "בן־ציון"
LONG = "Wolfeschlegelsteinhausenbergerdorffvoralternwarengewissenhaftschaferswesen"
WRONG = "kind: delimited\nrecords:\n  - each: fine\n    columns:\n      - {name: '<b>', valeu: x}\n"
NAMES = """
kind: delimited
encoding: ENCODING
records:
  - each: fine
    columns: [{value: "{transaction_id}"}, {value: "{patron_name}"}, {value: "{amount:0.00}"}, {value: "{currency}"}]
"""


@pytest.fixture
def folder(profiles_folder: Path) -> Path:
    """Returns the folder of layouts that the pages read, with an example of each kind, and one of payments."""
    made = profiles_folder.parent / "layouts"
    made.mkdir()
    for name in ("banner", "peoplesoft", "payments/positions"):
        shutil.copy(INCLUDE / "layouts.examples" / f"{name}.yaml", made)
    return made


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Profile:
    """The profile STUDENTS, the only one, which exports in the layout peoplesoft."""
    made = make_profile(layout="peoplesoft", currencies=["USD"])
    return set_profile(monkeypatch, made.model_copy(update={"name": f"<b>{LONG}"}))


@pytest.fixture
def batch(library: Library) -> int:
    """Exports the fines of two users in XML, one of them with a right-to-left name; returns the batch."""
    library.fine(library.user(last=RIGHT_TO_LEFT, first="<i>"))
    library.fine(library.user(last=LONG))
    made = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    record_delivery(library.ledger, made.id)
    close_fines(library.ledger, made.id)
    return made.id


def read_accesses(ledger: Engine) -> list[tuple[str, int]]:
    with ledger.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT person, user_id FROM user_accesses"))]


def test_the_list_has_the_layouts_with_their_profiles(login: Login, folder: Path, profile: Profile) -> None:
    page = login("viewer").get("/layouts").text
    assert f"peoplesoft export fixed ascii <b>{LONG}" in unescape(words(page))
    assert "positions payments fixed ascii no profile" in words(page)
    assert "<b>" not in page
    assert 'href="/bursar/layouts/banner"' in page
    assert 'aria-current="page">Layouts' in page


def test_without_layouts_the_list_says_so(login: Login, profiles_folder: Path) -> None:
    assert "There is no layout that you may see." in login("admin").get("/layouts").text
    assert login("admin").get("/layouts/banner").status_code == 404


def test_a_wrong_layout_is_listed_with_file_line_and_message(login: Login, folder: Path, profile: Profile) -> None:
    (folder / "campus.yaml").write_text(WRONG)
    for address in ("/layouts", "/layouts/campus"):
        page = login("viewer").get(address).text
        assert 'class="message problem"' in page, address
        assert "campus.yaml:5:" in page
        assert "valeu" in page
        assert "<b>" not in page
    assert "Layout campus is not valid" in page
    assert "banner" in login("viewer").get("/layouts").text


def test_a_profile_whose_layout_is_not_there_is_listed(login: Login, folder: Path, profile: Profile) -> None:
    (folder / "peoplesoft.yaml").unlink()
    page = words(login("viewer").get("/layouts").text)
    assert "names the layout peoplesoft in its export section" in page


def test_invented_fines_are_shown_with_a_ruler_in_a_fixed_layout_only(
    login: Login, folder: Path, profile: Profile, ledger: Engine
) -> None:
    page = login("viewer").get("/layouts/peoplesoft").text
    assert '<span class="ruler" aria-hidden="true">----+--- 1----+--- 2' in page
    assert "\nH" in page or ">H" in page
    assert "GARCIA MARQUEZ, ANA" in page
    assert "Every fine fits." in page
    assert read_accesses(ledger) == []
    page = login("viewer").get("/layouts/banner").text
    assert 'class="file"' in page
    assert 'class="ruler"' not in page


def test_fines_that_do_not_fit_are_listed_with_the_reason(login: Login, folder: Path, profile: Profile) -> None:
    (folder / "mine.yaml").write_text(NAMES.replace("ENCODING", "ascii"))
    page = words(login("viewer").get("/layouts/mine").text)
    assert "70001 a character is not in the encoding of the layout" in page
    assert "70005,Smith" not in page.split("Transaction Reason")[1]


def test_a_layout_that_fits_no_fine_shows_no_file(login: Login, folder: Path, profile: Profile) -> None:
    codes = "values: {code: {of: fine_fee_type, codes: {NEVER: X}}}\nrecords:"
    changed = NAMES.replace("ENCODING", "ascii").replace("{patron_name}", "{code}").replace("records:", codes)
    (folder / "mine.yaml").write_text(changed)
    page = login("viewer").get("/layouts/mine").text
    assert "No fine fits, so there would be no file." in page
    assert "the layout has no code for it" in page


def test_a_layout_of_payments_is_tried_with_no_fines(login: Login, folder: Path, profile: Profile) -> None:
    client = login("admin")
    page = client.get("/layouts/positions").text
    assert "The first lines of a file of the bursar" in page
    assert 'name="profile"' not in page
    assert client.post("/layouts/positions", data={"profile": "STUDENTS"}).status_code == 404


@pytest.mark.parametrize("role", ROLES)
def test_the_fines_of_a_batch_are_for_those_who_may_see_its_names_and_recorded(
    login: Login, folder: Path, profile: Profile, batch: int, ledger: Engine, role: str
) -> None:
    (folder / "mine.yaml").write_text(NAMES.replace("ENCODING", "utf-8"))
    client = login(role)
    assert ("<form" in client.get("/layouts/mine").text) == (role != "viewer")
    answer = client.post("/layouts/mine", data={"profile": "STUDENTS"})
    if role == "viewer":
        assert answer.status_code == 403
        assert LONG not in answer.text
        assert read_accesses(ledger) == []
    else:
        assert f"{RIGHT_TO_LEFT}, &lt;i&gt;" in answer.text
        assert LONG in answer.text
        assert f'href="/bursar/batches/{batch}"' in answer.text
        assert {person for person, _ in read_accesses(ledger)} == {f"{role}_person"}
        assert len(read_accesses(ledger)) == 2


def test_names_of_a_batch_that_do_not_fit_are_listed_by_transaction(
    login: Login, folder: Path, profile: Profile, batch: int
) -> None:
    (folder / "mine.yaml").write_text(NAMES.replace("ENCODING", "ascii"))
    page = login("user").post("/layouts/mine", data={"profile": "STUDENTS"}).text
    assert "a character is not in the encoding of the layout" in page
    assert page.count(RIGHT_TO_LEFT) == 1  # beside its column, and in no line
    assert LONG in page


def test_a_profile_without_a_batch_says_so(login: Login, folder: Path, profile: Profile) -> None:
    answer = login("user").post("/layouts/banner", data={"profile": "STUDENTS"})
    assert answer.status_code == 409
    assert "has exported no fine yet" in answer.text


def test_without_a_right_to_a_profile_no_layout_is_shown(
    login: Login, folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login("user")
    monkeypatch.setattr(rights, "get_auth_manager", lambda: FabManager(dag_permissions("STAFF")))
    page = client.get("/layouts").text
    assert "There is no layout that you may see." in page
    assert "peoplesoft" not in page
    assert client.get("/layouts/peoplesoft").status_code == 403
    assert client.post("/layouts/peoplesoft", data={"profile": "STAFF"}).status_code == 403


def test_the_wizard_offers_the_layouts_of_each_purpose(login: Login, folder: Path) -> None:
    (folder / "campus.yaml").write_text(WRONG)
    page = login("op").post("/wizard", data=fill_form("next", page=1)).text
    export = page.split('id="field-export.layout-list"')[1].split("</datalist>")[0]
    assert '<option value="banner">delimited, utf-8</option><option value="peoplesoft">fixed, ascii</option>' in export
    assert "campus" not in export
    payments = page.split('id="field-import.layout-list"')[1].split("</datalist>")[0]
    assert payments.count("<option") == 1
    assert '<option value="positions">fixed, ascii</option>' in payments


def test_the_wizard_saves_the_layouts(login: Login, folder: Path) -> None:
    chosen = {"export.layout": "peoplesoft", "export.currencies": "USD", "import.layout": "positions"}
    form = fill_form() | chosen | {"import.file_patterns": "*.dat"}
    assert login("op").post("/wizard", data=form, follow_redirects=False).status_code == 303
    page = words(login("op").get("/profiles/LAW").text)
    assert "Layout peoplesoft" in page
    assert "Layout positions" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"export.layout": "Campus File"}, "Export: Layout: 'Campus File' is not allowed here: write the name"),
        ({"export.layout": "gone"}, "Export: Layout: There is no layout gone: "),
        ({"export.layout": "positions"}, "Export: Layout: "),
        ({"export.layout": "peoplesoft"}, "Export: Layout: The layout peoplesoft adds up amounts"),
        ({"export.layout": "banner", "export.xml.compact": "yes"}, "Export: XML: is the form of the XML file"),
        ({"import.layout": "gone", "import.file_patterns": "*.dat"}, "Import: Layout: There is no layout gone: "),
        ({"import.layout": "positions", "import.file_patterns": ""}, "Import: File patterns: files in a layout are no"),
    ],
)
def test_a_wrong_choice_is_named_at_its_field(
    login: Login, folder: Path, changes: dict[str, str], message: str
) -> None:
    answer = login("op").post("/wizard", data=fill_form() | changes, follow_redirects=False)
    assert answer.status_code == 422
    found = find_errors(answer.text)
    assert [one for one in found if one.startswith(message)] == found[:1]
    label = message.split(": ")[1]
    field = {"Layout": "layout", "XML": "xml", "File patterns": "file_patterns"}[label]
    assert f'<a href="#field-{message.split(":", maxsplit=1)[0].lower()}.{field}">' in answer.text
    assert 'class="error"' in answer.text


def test_a_layout_of_a_section_that_is_not_active_need_not_be_there(login: Login, folder: Path) -> None:
    form = fill_form() | {"import.active": "no", "import.layout": "gone", "import.file_patterns": "*.dat"}
    assert login("op").post("/wizard", data=form, follow_redirects=False).status_code == 303
