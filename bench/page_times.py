"""Measures the pages in a process of their own; prints the seconds of each as JSON.

`python -m bench.page_times`, with the ledger, the profiles and Airflow's folder in the environment.
"""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.db import initdb
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from bursar.reporting.outstanding import count_outstanding
from bursar.web import views
from bursar.web.app import create_app

VIEWS = 7
"""Times that each page is opened; the first, which fills caches, does not count."""
VIEWS_OF_A_PART = 2
COUNT = "count of what is outstanding"
PARTS = {
    "part: result of a preview": "/profiles/P1/preview/result",
    "part: answers to a batch": "/batches/2/answers",
}
"""Parts that a page loads after it is shown, because they read as many fines as they sum up."""
PAGES = {
    "a page that reads nothing": "/dags/other",
    "overview": "/overview",
    "profiles": "/",
    "one profile": "/profiles/P1",
    "job history": "/history",
    "job history, page 2": "/history?before=2026-01-01T00:00:00Z&before_id=1",
    "job history, failed exports of a profile": "/history?profile=P1&job=export&outcome=failed",
    "job report": "/runs/1",
    "waiting for a person": "/waiting",
    "a batch": "/batches/1",
    "a batch, page 2": "/batches/1?after=5000",
    "fines that an export skipped": "/batches/1/skipped/no_identifier",
    "a file of payments": "/payment-files/1",
    "search form": "/fines",
    "search for an identifier": "/fines identifier",
    "search for a name": "/fines name",
    "search for a fine": "/fines fine",
    "search for a transaction": "/fines transaction",
    "a user": "/users/77",
    "a fine": "/fines/77",
    "form of a preview": "/profiles/P1/preview",
    "actions of a profile": "/profiles/P1/actions",
    "jobs over users": "/jobs",
    "wizard": "/wizard",
    **PARTS,
}
WANTED = {"identifier": "00000077", "name": "Okonkwo7", "fine": "77", "transaction": "T77"}


def main() -> None:
    """Measures the count of what is outstanding, and each page."""
    began = time.perf_counter()
    count_outstanding(views.engine(), views.settings().time_zone)
    found = {COUNT: (time.perf_counter() - began, 0.0)}
    with _log_in() as browser:
        server = _find_server()
        found |= {name: _measure(browser, address, server) for name, address in PAGES.items()}
    print(json.dumps(found))


@contextmanager
def _log_in() -> Iterator[TestClient]:
    """Yields a browser of an administrator."""
    initdb()
    create_auth_manager()
    outer = FastAPI()
    outer.mount("/bursar", create_app())
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))
    headers = {"sec-fetch-site": "same-origin"}
    address = "http://testserver/bursar"
    with TestClient(outer, base_url=address, cookies={"_token": token}, headers=headers) as browser:
        yield browser


def _measure(browser: TestClient, address: str, server: psutil.Process) -> tuple[float, float]:
    """Returns the median of a page's seconds, and the mean of the processor's. A word after the address is sought.

    Those of the processor are also PostgreSQL's. They depend less on what else the machine does.
    """
    path, _, wanted = address.partition(" ")
    seconds = []
    worked = 0.0
    views = VIEWS_OF_A_PART if address in PARTS.values() else VIEWS
    for view in range(views):
        if view == 1:
            worked = _count_worked(server)
        began = time.perf_counter()
        answer = browser.post(path, data={"wanted": WANTED[wanted]}) if wanted else browser.get(path)
        seconds.append(time.perf_counter() - began)
        answer.raise_for_status()
    return statistics.median(seconds[1:]), (_count_worked(server) - worked) / (views - 1)


def _find_server() -> psutil.Process:
    """Returns the process of PostgreSQL that is the parent of all others."""
    with views.read_ledger() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return psutil.Process(number).parent()


def _count_worked(server: psutil.Process) -> float:
    """Returns the seconds of the processor so far: of this process, of PostgreSQL, and of its processes that ended."""
    ended = server.cpu_times()
    running = (one.cpu_times() for one in server.children())
    total: float = (
        time.process_time()
        + sum((ended.user, ended.system, ended.children_user, ended.children_system))
        + sum(one.user + one.system for one in running)
    )
    return total


if __name__ == "__main__":
    main()
