"""Runs the contract server of a library's system, filled with open fines.

`python -m bench.system_server <system> <fines> <users>` prints a JSON object: `account`, the fields of a SystemAccount,
and `headers`, those of a login for the reference. For each line of its input it prints how many fines are open.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from typing import Any

from tests.support import folio_server, koha_traps
from tests.support.koha_library import fill_fines, fill_koha
from tests.support.koha_server import serve_koha

SECONDS = 86_400
"""How long tokens last: the bench measures no logins."""

Described = tuple[dict[str, Any], Callable[[], int]]
"""What is printed first, and a function that counts the open fines."""


@contextmanager
def run_folio(fines: int, users: int) -> Iterator[Described]:
    """Runs a FOLIO with so many open fines."""
    with folio_server.run_folio() as folio:
        folio.traps.token_seconds = SECONDS
        folio.library.fill(fines, users)
        accounts = folio.library.accounts.by_id
        headers = {
            "X-Okapi-Tenant": folio_server.TENANT,
            "X-Okapi-Token": folio.make_tokens()["folioAccessToken"],
            "Content-Type": "application/json",
        }
        account = {"url": folio.url, "login": folio_server.USER, "password": folio_server.PASSWORD}
        yield (
            {"account": account, "headers": headers},
            lambda: sum(account["status"]["name"] == "Open" for account in accounts.values()),
        )


@contextmanager
def run_koha(fines: int, users: int) -> Iterator[Described]:
    """Runs a Koha with so many open fines."""
    with serve_koha() as koha:
        koha.traps.token_seconds = koha.traps.session_seconds = SECONDS
        fill_koha(koha)
        fill_fines(koha, fines, users)
        koha.logins.tokens["bench"] = koha.logins.sessions["bench"] = inf
        account = {
            "url": koha.url,
            "login": koha_traps.LOGIN,
            "password": koha_traps.PASSWORD,
            "client_id": koha_traps.CLIENT_ID,
            "client_secret": koha_traps.CLIENT_SECRET,
        }
        headers = {"Authorization": "Bearer bench", "Cookie": "CGISESSID=bench", "Content-Type": "application/json"}
        yield (
            {"account": account, "headers": headers},
            lambda: int(koha.state.one("SELECT count(*) FROM accountlines WHERE amountoutstanding > 0")),
        )


SERVERS: dict[str, Callable[[int, int], AbstractContextManager[Described]]] = {"FOLIO": run_folio, "Koha": run_koha}

if __name__ == "__main__":
    with SERVERS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3])) as (described, count_open):
        print(json.dumps(described), flush=True)
        for _ in sys.stdin:
            print(count_open(), flush=True)
