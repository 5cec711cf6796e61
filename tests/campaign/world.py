"""The world of a campaign: one PostgreSQL, two bursars with a server and an office each, all in one folder."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bursar.profiles import Profile, Settings
from demo.postgres import DAGS_ROLE
from tests.campaign import product
from tests.campaign.database import LEDGER, Database
from tests.campaign.office import Office
from tests.campaign.servers import Server, Takes, connection_of
from tests.campaign.workers import Work, Worker, fork
from tests.support.ftp_server import self_signed_certificate

CODES = ("CASHIER", "TUITION")
LIBRARY_OF = {"CASHIER": "MAIN", "TUITION": "LAW"}
MARKER = ".done"
MACHINES = ("one", "two")


@dataclass
class Repair:
    """Something that is broken until a moment."""

    due: float
    does: Callable[[], None]


@dataclass
class World:
    """Everything that runs, and the processes that were started; `end` ends all of it."""

    folder: Path
    database: Database = field(init=False)
    servers: dict[str, Server] = field(init=False)
    offices: dict[str, Office] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    random: Random = field(default_factory=lambda: Random(0))

    def __post_init__(self) -> None:
        certificate = self_signed_certificate(self.folder)
        os.environ["SSL_CERT_FILE"] = str(certificate)
        self.database = Database(self.folder / "postgres")
        self.servers = {
            "CASHIER": Server("sftp", self.folder / "cashier", certificate),
            "TUITION": Server("ftps", self.folder / "tuition", certificate),
        }

    def start(self) -> None:
        """Starts the servers and makes the ledger; the connections to them are Airflow's, as variables."""
        for code, server in self.servers.items():
            server.start()
            os.environ[f"AIRFLOW_CONN_BURSAR_{code}"] = json.dumps(connection_of(server))
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

    def clear(self, *, same_name: bool, takes: dict[str, Takes]) -> None:
        """Begins anew: an empty ledger, empty folders, offices that know nothing."""
        self.repair()
        self.database.clear()
        self.offices = {}
        for code, server in self.servers.items():
            for used in (server.disk, server.taken, self.folder / "archive" / code):
                shutil.rmtree(used, ignore_errors=True)
                used.mkdir(parents=True)
            server.takes = takes.get(code, "no")
            server.tell(takes=server.takes)
            is_cumulative = code == "TUITION"
            self.offices[code] = Office(
                code,
                server,
                self.folder / "archive" / code,
                cumulative=is_cumulative,
                done_file_suffix=MARKER if is_cumulative else "",
                same_name=same_name,
            )
        for machine in MACHINES:
            shutil.rmtree(self.folder / machine, ignore_errors=True)

    def work_dir(self, machine: str, code: str) -> Path:
        """The working folder of a profile on a machine."""
        return self.folder / machine / code

    def fork(self, name: str, work: Work, **of_worker: object) -> Worker:
        """Starts a worker."""
        worker = fork(name, work, log=self.folder / "workers.log", **of_worker)  # type: ignore[arg-type]
        self.workers.append(worker)
        return worker

    def later(self, seconds: float, does: Callable[[], None]) -> None:
        """Has something repaired after a while."""
        self.repairs.append(Repair(time.monotonic() + seconds, does))

    def repair_due(self) -> None:
        """Repairs what is due."""
        for repair in [one for one in self.repairs if one.due <= time.monotonic()]:
            self.repairs.remove(repair)
            repair.does()

    def repair(self) -> None:
        """Repairs everything."""
        self.repairs.clear()
        self.database.start()
        for server in self.servers.values():
            server.start()
            server.tell(effect=None)

    def end(self) -> None:
        """Ends all processes that this one has started."""
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
        for server in self.servers.values():
            server.kill()
        self.database.end()


def profile_of(code: str) -> Profile:
    """An integration profile; what the institution owns goes to whichever of the two comes first."""
    imported = {"active": True, "input_file_path": "in", "schedule": "daily at 06:00", "stable_for_seconds": 0}
    cumulative = {"done_file_suffix": MARKER, "amount_mode": "cumulative"} if code == "TUITION" else {}
    return Profile.model_validate(
        {
            "code": code,
            "name": code.title(),
            "sftp_connection": f"bursar_{code.lower()}",
            "system": "Other",
            "time_zone": "America/New_York",
            "export": {
                "active": True,
                "time_before_export_days": 0,
                "user_identifier_type": "02",
                "institutional_fine_fee": True,
                "libraries": [LIBRARY_OF[code]],
                "output_file_path": "out",
                "schedule": "daily at 02:00",
            },
            "import": imported | cumulative,
        }
    )


def settings_of(*, allowed: bool) -> Settings:
    """An institution; `allowed` is whether its desk settles what the bursar holds."""
    return Settings.model_validate(
        {
            "institution_name": "Saguaro University",
            "institution_id": "6761",
            "default_currency": "USD",
            "time_zone": "America/New_York",
            "allow_activity_on_transferred_finesfees": allowed,
        }
    )
