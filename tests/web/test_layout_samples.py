"""Layouts of payments and of statements are tried with a pasted sample, of which nothing is stored."""

from pathlib import Path

import pytest

from tests.support.payment_layouts import POSITIONS, SEMICOLONS
from tests.support.statement_inbox import OPEN
from tests.web.conftest import Login
from tests.web.test_fines import words


@pytest.fixture
def layouts(profiles_folder: Path) -> Path:
    """Returns the folder of layouts, with one for payments, and two for statements."""
    folder = profiles_folder.parent / "layouts"
    folder.mkdir()
    for name, text in {"paid": SEMICOLONS, "positions": POSITIONS, "open": OPEN}.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("layouts")
def test_a_sample_is_read_as_a_job_would_read_it(login: Login) -> None:
    client = login("admin")
    assert "Paste at most 50,000 characters" in client.get("/layouts/open").text
    page = client.post("/layouts/open/sample", data={"sample": "Id,Open,Currency\r\n1,10.00,USD\r\n2,<b>,USD\r\n"}).text
    assert "2 1 10.00 USD" in words(page)
    assert "sum (column Open) is &#39;&lt;b&gt;&#39;, and not a sum such as 12.50" in page
    assert "<b>" not in page.partition("What is read")[2]
    assert "1 line can't be read as the layout says." in page
    paid = client.post(
        "/layouts/paid/sample",
        data={"sample": "TransactionID;Zahlungseingang;Zahlungsdatum\nLIB000001;1,50;31.01.2026"},
    ).text
    assert "2 LIB000001 1.50 CHF 2026-01-31" in words(paid)


@pytest.mark.usefixtures("layouts")
def test_a_sample_that_would_be_rejected_says_why(login: Login) -> None:
    client = login("admin")
    assert "the column &#39;Id&#39; is missing" in client.post("/layouts/open/sample", data={"sample": "a,b\n1,2"}).text
    page = client.post("/layouts/positions/sample", data={"sample": "\N{SNOWMAN}"}).text
    assert "is no character of ascii" in page


@pytest.mark.usefixtures("layouts")
def test_a_sample_is_limited_and_needs_rights(login: Login) -> None:
    assert login("admin").post("/layouts/open/sample", data={"sample": "x" * 50_001}).status_code == 422
    assert login("admin").post("/layouts/nothing/sample", data={"sample": "x"}).status_code == 404
    assert login("viewer").post("/layouts/open/sample", data={"sample": "x"}).status_code == 403
    assert login(None).post("/layouts/open/sample", data={"sample": "x"}).status_code == 401
