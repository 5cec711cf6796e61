"""The world of a campaign: one PostgreSQL, two bursars with a server each, all in one folder."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bursar.profiles import Profile, Settings
from demo.postgres import DAGS_ROLE
from tests.campaign import product
from tests.campaign.database import LEDGER, Database
from tests.campaign.fake_bursar import FakeBursar
from tests.campaign.servers import Collects, Server, connection_of
from tests.campaign.workers import Work, Worker, fork
from tests.support.ftp_server import create_certificate

CODES = ("CASHIER", "TUITION")
LIBRARY_OF = {"CASHIER": "MAIN", "TUITION": "LAW"}
DONE_FILE_SUFFIX = ".done"
APART = """\
kind: delimited
files:
  - {file_name: "{profile}-{batch}-charges.csv", kinds: charge}
  - {file_name: "{profile}-{batch}-credits.csv", kinds: [credit, reversal]}
records:
  - each: fine
    columns:
      - {value: "{transaction_id}"}
      - {value: "{fine_id}"}
      - {value: "{currency}"}
      - {value: "{amount:plain}"}
      - {value: "{reversed_transaction_id}"}
  - {each: file, columns: [{value: END}, {value: "{fines}"}]}
"""
PACKED = """\
done_file: "{profile}-{batch}.done"
compress: gzip
"""
MACHINES = ("one", "two")


@dataclass
class Repair:
    """The repair of a fault at a moment."""

    due: float
    action: Callable[[], None]


@dataclass
class World:
    """The running servers, the bursars, and the processes that were started; `end` ends all of them."""

    folder: Path
    database: Database = field(init=False)
    servers: dict[str, Server] = field(init=False)
    bursars: dict[str, FakeBursar] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    random: Random = field(default_factory=lambda: Random(0))

    def __post_init__(self) -> None:
        certificate = create_certificate(self.folder)
        os.environ["SSL_CERT_FILE"] = str(certificate)
        self.database = Database(self.folder / "postgres")
        self.servers = {
            "CASHIER": Server("sftp", self.folder / "cashier", certificate),
            "TUITION": Server("ftps", self.folder / "tuition", certificate),
        }

    def start(self) -> None:
        """Starts the servers and creates the ledger; sets the connections of Airflow as variables."""
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
        layouts = self.folder / "include" / "layouts"
        layouts.mkdir(parents=True)
        (layouts / "apart.yaml").write_text(APART, encoding="utf-8")
        (layouts / "apart_with_done_file.yaml").write_text(APART + PACKED, encoding="utf-8")
        product.use_layouts(layouts.parent)

    def clear(self, *, same_name: bool, collects: dict[str, Collects], direct: Collection[str]) -> None:
        """Empties the ledger and the folders, and creates new bursars; `direct` are those that get direct uploads."""
        self.repair()
        self.database.clear()
        self.bursars = {}
        for code, server in self.servers.items():
            for used in (server.disk, server.collected, self.folder / "archive" / code):
                shutil.rmtree(used, ignore_errors=True)
                used.mkdir(parents=True)
            server.collects = collects.get(code, "no")
            server.order(collects=server.collects)
            is_cumulative = code == "TUITION"
            self.bursars[code] = FakeBursar(
                code,
                server,
                self.folder / "archive" / code,
                cumulative=is_cumulative,
                done_file_suffix=DONE_FILE_SUFFIX if is_cumulative else "",
                same_name=same_name,
                is_direct=code in direct,
            )
        for machine in MACHINES:
            shutil.rmtree(self.folder / machine, ignore_errors=True)

    def work_dir(self, machine: str, code: str) -> Path:
        """Returns the working folder of a profile on a machine."""
        return self.folder / machine / code

    def fork(self, name: str, work: Work, **of_worker: object) -> Worker:
        """Starts a worker."""
        worker = fork(name, work, log=self.folder / "workers.log", **of_worker)  # type: ignore[arg-type]
        self.workers.append(worker)
        return worker

    def schedule_repair(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedules a repair."""
        self.repairs.append(Repair(time.monotonic() + seconds, action))

    def repair_due(self) -> None:
        """Makes the repairs that are due."""
        for repair in [one for one in self.repairs if one.due <= time.monotonic()]:
            self.repairs.remove(repair)
            repair.action()

    def repair(self) -> None:
        """Repairs all faults."""
        self.repairs.clear()
        self.database.start()
        for server in self.servers.values():
            server.start()
            server.order(effect=None)

    def end(self) -> None:
        """Ends all processes that this one has started."""
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
        for server in self.servers.values():
            server.kill()
        self.database.end()


def make_profile(code: str, upload: Mapping[str, object], layout: str | None) -> Profile:
    """Returns an integration profile with its section `upload` and its layout.

    Fines of the institution go to the first of the two profiles that exports.
    """
    imported = {"active": True, "input_file_path": "in", "schedule": "daily at 06:00", "stable_for_seconds": 0}
    cumulative = (
        {"done_file_suffix": DONE_FILE_SUFFIX, "amount_mode": "cumulative", "max_overpayment": 4}
        if code == "TUITION"
        else {}
    )
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
                "upload": upload,
                "layout": layout,
            },
            "import": imported | cumulative,
        }
    )


def make_settings(*, allowed: bool) -> Settings:
    """Returns settings; `allowed` is whether the desk may settle fines that are with the bursar."""
    return Settings.model_validate(
        {
            "institution_name": "Saguaro University",
            "institution_id": "6761",
            "default_currency": "USD",
            "time_zone": "America/New_York",
            "allow_activity_on_transferred_finesfees": allowed,
            "approval": {"max_users": 10**9, "max_fines": 10**9, "max_amount": 10**9},
        }
    )
