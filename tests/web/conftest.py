"""The app of the pages in this process, with Airflow's own auth manager and database, and one client for each role."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_urlsafe

import pytest
from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.configuration import conf
from airflow.utils.db import initdb
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from bursar.airflow import profile_store
from bursar.layouts import read
from bursar.profiles import INCLUDE
from bursar.web import layouts, profile_draft, sources, views
from bursar.web.app import create_app
from tests.support.managed_profiles import ledger_variable

PREFIX = "/bursar"
ROLES = ("viewer", "user", "op", "admin")

Login = Callable[[str | None], TestClient]


@pytest.fixture(scope="session")
def pages() -> FastAPI:
    """Creates the pages below the prefix that they have in Airflow, and Airflow's empty database."""
    conf.set("api_auth", "jwt_secret", token_urlsafe(64))
    initdb()
    create_auth_manager()
    outer = FastAPI()
    outer.mount(PREFIX, create_app())
    return outer


@pytest.fixture
def login(pages: FastAPI, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Login]:
    """Returns a function that gives a browser of a person with a role, or of nobody (None), on the test's ledger."""
    monkeypatch.setattr(views, "engine", lambda: ledger)
    clients = []

    def login(role: str | None) -> TestClient:
        cookies = {}
        if role:
            user = SimpleAuthManagerUser(username=f"{role}_person", role=role.upper())
            cookies = {"_token": get_auth_manager().generate_jwt(user)}
        client = TestClient(
            pages, base_url="http://testserver" + PREFIX, cookies=cookies, headers={"sec-fetch-site": "same-origin"}
        )
        clients.append(client)
        return client

    yield login
    for client in clients:
        client.close()


@pytest.fixture
def profiles_folder(tmp_path: Path, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns an empty folder of profiles beside settings of its own; the pages read it, and the test's ledger."""
    include = tmp_path / "include"
    folder = include / "profiles"
    folder.mkdir(parents=True)
    shutil.copy(INCLUDE / "bursar.yaml", include)
    for module in (views, profile_store, profile_draft, sources, layouts, read):
        monkeypatch.setattr(module, "INCLUDE", include)
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", ledger_variable(ledger))
    return folder
