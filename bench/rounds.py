"""The rounds of the bench: product and reference by turns, each on its own copy of one ledger."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from psycopg import sql

from bench import reference
from bench.payments import PaymentWriter
from bench.reference import Tools
from bench.report import STAGES
from bench.servers import Server
from bursar.db.engine import ledger_engine, migrate
from demo.postgres import LEDGER_OWNER, Postgres

ROOT = Path(__file__).parents[1]
FILL = (Path(__file__).parent / "ledger.sql").read_text(encoding="utf-8")
COPY = "round"
"""The ledger of a round."""

Given = dict[str, Any]


class Cost(TypedDict):
    """The cost of a stage: its seconds, and the peak memory of its process in bytes; `loaded` is the peak before it.

    `locked` are the seconds for which a load locked the table of fines. A built file has its size in `bytes`, and in
    `selected` the seconds of its selection.
    """

    seconds: float
    loaded: int
    memory: int
    locked: NotRequired[float]
    selected: NotRequired[float]
    bytes: NotRequired[int]


class WrongResultError(Exception):
    """The product's result is wrong."""


@dataclass(frozen=True)
class Round:
    """The costs of one export or import: of the product by stage, of the reference by step (seconds)."""

    product: dict[str, Cost]
    reference: dict[str, float]


@dataclass(frozen=True)
class Bench:
    """The servers and the folder of all rounds."""

    postgres: Postgres
    server: Server
    folder: Path

    def create_ledger(self, fines: int, *, closed: int = 0) -> str:
        """Creates a ledger with so many open fines, all of them due, and closed ones; returns its name."""
        name = f"filled_{fines}_{closed}"
        self._drop(name)
        self.postgres.create_ledger(name)
        migrate(ledger_engine(self.url(name)))
        with self.postgres.connect(name) as connection:
            connection.execute("SELECT set_config('bench.fines', %s, false)", [str(fines)])
            connection.execute("SELECT set_config('bench.closed', %s, false)", [str(closed)])
            with connection.transaction():
                connection.execute(FILL)
            connection.execute("VACUUM (ANALYZE, FREEZE)")
        return name

    def url(self, ledger: str) -> str:
        """Returns the URL of a ledger, in the role of its owner."""
        return self.postgres.url(ledger, user=LEDGER_OWNER)

    @contextmanager
    def copy_ledger(self, template: str) -> Iterator[str]:
        """Creates a copy of a ledger, yields its name, and drops it."""
        self._drop(COPY)
        with self.postgres.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(COPY), sql.Identifier(template)
                )
            )
        yield COPY
        self._drop(COPY)

    def export(self, filled: str, fines: int, *, keep_as: str | None = None) -> Round:
        """Exports by the product and by the reference; keeps the product's ledger under the name `keep_as`."""
        shutil.rmtree(self.server.disk, ignore_errors=True)
        (self.server.disk / "reference").mkdir(parents=True)
        staging = self.folder / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        with self.copy_ledger(filled) as ledger:
            given: Given = {"ledger": self.url(ledger), "staging": str(staging)}
            product = {stage: self.run_stage(stage, given) for stage in STAGES["export"]}
            self.check_export(ledger, fines, given)
            if keep_as:
                self._drop(keep_as)
                with self.postgres.connect() as connection:
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(ledger), sql.Identifier(keep_as)
                        )
                    )
        file = self.server.disk / "out" / given["name"]
        with self.copy_ledger(filled) as ledger:
            tools = Tools(self.postgres, ledger)
            plain = {
                "COPY": tools.psql(reference.ROWS, into=staging / "rows"),
                "xmllint": reference.validate(file),
                "sftp put": reference.run(self.server.sftp(f"put {file} {self.server.disk}/reference/{file.name}")),
                "UPDATE": tools.psql(reference.CLOSE),
            }
        return Round(product, plain)

    def write_payments(self, fines: int) -> dict[str, int]:
        """Replaces the last exported file by its payment file; returns the outcomes that an import must have."""
        incoming = self.server.disk / "in"
        incoming.mkdir(exist_ok=True)
        exported = next((self.server.disk / "out").iterdir())
        with (self.folder / "records").open("wb") as records, (incoming / "paid.xml").open("wb") as paid:
            writer = PaymentWriter(records)
            writer.write(exported, paid)
        if sum(writer.outcomes.values()) != fines:
            raise WrongResultError(f"{exported.name} holds {writer.outcomes}, not {fines} fines")
        for folder in (exported.parent, self.server.disk / "reference", self.folder / "staging"):
            shutil.rmtree(folder)
        return {outcome: count for outcome, count in writer.outcomes.items() if count}

    def import_file(self, exported: str, outcomes: Mapping[str, int]) -> Round:
        """Imports the file of `write_payments` by the product and by the reference."""
        incoming, staging = self.server.disk / "in", self.folder / "staging"
        with self.copy_ledger(exported) as ledger:
            given: Given = {"ledger": self.url(ledger), "staging": str(staging), "name": "paid.xml"}
            product = {stage: self.run_stage(stage, given) for stage in STAGES["import"]}
            self._check_import(ledger, outcomes, given)
        (incoming / "processed" / "paid.xml").rename(incoming / "paid.xml")
        fetched = staging / "fetched.xml"
        with self.copy_ledger(exported) as ledger:
            tools = Tools(self.postgres, ledger)
            tools.psql(reference.PAYMENTS)
            plain = {
                "sftp get": reference.run(self.server.sftp(f"get {incoming}/paid.xml {fetched}")),
                "xmllint": reference.validate(fetched),
                "COPY": tools.psql("COPY payments FROM STDIN", source=self.folder / "records"),
            }
            tools.psql("ANALYZE payments")
            plain["UPDATE"] = tools.psql(reference.PAY)
        return Round(product, plain)

    def run_stage(self, stage: str, given: Given) -> Cost:
        """Runs a stage of the product in a fresh process and adds its result to `given`, for the next stage.

        Raises:
            WrongResultError: the stage failed.
        """
        env = os.environ | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "BURSAR_INCLUDE": str(self.folder / "include"),
            "AIRFLOW_CONN_BURSAR_BENCH": json.dumps(self.server.connection),
        }
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "bench.product", stage, json.dumps(given)],
            env=env, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode:
            raise WrongResultError(f"{stage} failed: {run.stderr[-4000:]}")
        said = json.loads(run.stdout.splitlines()[-1])
        given.update(said["result"])
        return {"seconds": said["seconds"], "loaded": said["loaded"], "memory": said["memory"]}

    def check_export(self, ledger: str, fines: int, given: Given) -> None:
        """Checks that ledger and file hold the export of all fines; `given` has `name`, `sha256` and `fines`.

        Raises:
            WrongResultError: they do not.
        """
        remote = self.server.disk / "out" / given["name"]
        with remote.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        reference.validate(remote)
        closed = self._one(
            ledger,
            "SELECT count(*) FROM fines JOIN batch_lines ON batch_lines.fine_id = fines.id"
            " WHERE fines.status = 'CLOSED' AND fines.balance = 0 AND fines.outstanding = batch_lines.amount",
        )
        wrong = self._one(
            ledger,
            "SELECT count(*) FROM fines JOIN (SELECT fine_id, sum(balance_change) AS balance,"
            " sum(outstanding_change) AS outstanding FROM journal_entries GROUP BY fine_id) AS entries"
            " ON entries.fine_id = fines.id"
            " WHERE (fines.balance, fines.outstanding) <> (entries.balance, entries.outstanding)",
        )
        claims = self._one(ledger, "SELECT count(*) FROM batch_claims")
        found = (digest, given["fines"], closed, wrong, claims)
        if found != (given["sha256"], fines, fines, 0, 0):
            raise WrongResultError(f"the export of {fines} fines left {found}")

    def _check_import(self, ledger: str, outcomes: Mapping[str, int], given: Given) -> None:
        found = {outcome: facts["records"] for outcome, facts in given["outcomes"].items()}
        transferred = self._one(ledger, "SELECT count(*) FROM fines WHERE status = 'TRANSFERRED'")
        outstanding = self._one(ledger, "SELECT count(*) FROM fines WHERE outstanding <> 0")
        credits_ = self._one(ledger, "SELECT count(*) FROM fines WHERE reverses IS NOT NULL AND balance < 0")
        expected = (sum(outcomes.values()), outcomes.get("PARTLY_PAID", 0), outcomes.get("OVERPAID", 0))
        if found != outcomes or (transferred, outstanding, credits_) != expected:
            raise WrongResultError(f"the import left {found}, {transferred}, {outstanding}, {credits_}, not {outcomes}")

    def _one(self, database: str, query: str) -> int:
        with self.postgres.connect(database) as connection:
            row = connection.execute(query).fetchone()
            assert row  # noqa: S101
            return int(row[0])

    def _drop(self, database: str) -> None:
        with self.postgres.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
