"""The rounds of a campaign against library systems, with one PostgreSQL."""

import json
import os
from pathlib import Path

from demo.postgres import DAGS_ROLE
from tests.campaign import product
from tests.campaign.database import LEDGER, Database
from tests.campaign.report import Tally, Violation
from tests.campaign.systems.round import Round
from tests.support.ftp_server import create_certificate


class SystemRounds:
    """The rounds of library systems with one PostgreSQL; FOLIO and Koha take turns."""

    def __init__(self, folder: Path, seed: int, tally: Tally) -> None:
        self.folder, self.seed, self.tally = folder, seed, tally
        self.database = Database(folder / "postgres")

    def start(self) -> None:
        """Starts PostgreSQL, and sets the connection of Airflow to the ledger as a variable."""
        self.database.start()
        self.database.prepare()
        ledger = {
            "conn_type": "postgres",
            "host": str(self.database.postgres.sockets),
            "login": DAGS_ROLE,
            "schema": LEDGER,
        }
        os.environ["AIRFLOW_CONN_BURSAR_LEDGER"] = json.dumps(ledger)
        product.shorten_waits()
        os.environ["SSL_CERT_FILE"] = str(create_certificate(self.folder))  # the usual one takes long to read

    def run(self, number: int) -> tuple[Round, list[Violation]]:
        """Runs a round; returns it, and its violations."""
        round_ = Round(self.folder, self.database, "koha" if number % 2 else "folio", self.seed, number, self.tally)
        return round_, round_.run()

    def end(self) -> None:
        """Ends PostgreSQL."""
        self.database.end()
