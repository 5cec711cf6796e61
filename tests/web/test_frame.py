"""The frame of all pages: logins, headers, errors and forged forms."""

import pytest

from bursar.web.views import templates
from tests.web.conftest import ROLES, Login


def test_an_anonymous_caller_gets_a_page_that_leads_to_the_login(login: Login) -> None:
    answer = login(None).get("/")
    assert answer.status_code == 401
    assert "data-login" in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_the_profiles(login: Login, role: str) -> None:
    answer = login(role).get("/")
    assert answer.status_code == 200, answer.text


def test_every_template_escapes_text() -> None:
    for name in templates.env.list_templates():
        assert templates.env.get_template(name).environment.autoescape is True
    assert templates.env.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
