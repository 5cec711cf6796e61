"""Measures the pages in a process of their own; prints the seconds of each as JSON.

`python -m bench.page_times`, with the ledger, the profiles and Airflow's folder in the environment.
"""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.db import initdb
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bursar.reporting.outstanding import count_outstanding
from bursar.web import views
from bursar.web.app import create_app

SIGHTS = 7
"""Times that each page is opened; the first, which fills caches, does not count."""
COUNT = "count of what is outstanding"
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
    "search form": "/fines",
    "search for an identifier": "/fines identifier",
    "search for a name": "/fines Okonkwo",
    "a user": "/users/77",
    "a fine": "/fines/77",
    "jobs over users": "/jobs",
    "wizard": "/wizard",
}
WANTED = {"identifier": "00000077", "Okonkwo": "Okonkwo7"}


def main() -> None:
    """Measures the count of what is outstanding, and each page."""
    began = time.perf_counter()
    count_outstanding(views.engine(), views.settings().time_zone)
    found = {COUNT: (time.perf_counter() - began, 0.0)}
    with _log_in() as browser:
        found |= {name: _measure(browser, address) for name, address in PAGES.items()}
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


def _measure(browser: TestClient, address: str) -> tuple[float, float]:
    """Returns the medians of a page's seconds, and of the processor's. A word after the address is searched for."""
    path, _, wanted = address.partition(" ")
    seconds, of_processor = [], []
    for _ in range(SIGHTS):
        began, worked = time.perf_counter(), time.process_time()
        answer = browser.post(path, data={"wanted": WANTED[wanted]}) if wanted else browser.get(path)
        seconds.append(time.perf_counter() - began)
        of_processor.append(time.process_time() - worked)
        answer.raise_for_status()
    return statistics.median(seconds[1:]), statistics.median(of_processor[1:])


if __name__ == "__main__":
    main()
