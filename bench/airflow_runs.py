"""An export of 500 fines on a real Airflow, beside an empty DAG of the same shape: the seconds that Bursar adds."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.profile import PROFILE_FIELDS, SETTINGS_FIELDS
from bench.rounds import COPY, ROOT, Bench, WrongResultError
from bursar.db.engine import ledger_engine
from bursar.ledger.batches import get_batch
from demo.airflow import Airflow
from demo.airflow_client import AirflowClient
from demo.postgres import LEDGER_OWNER

FINES = 500
ROUNDS = 5
EXPORT_DAG, EMPTY_DAG = "bursar_export__BENCH", "bench_empty"


@dataclass(frozen=True)
class AirflowRound:
    """The seconds from start to end of a run of the export DAG, and of one of the empty DAG."""

    product: float
    reference: float


def measure_runs(bench: Bench) -> list[AirflowRound]:
    """Runs both DAGs by turns, after a first round that warms up and does not count.

    Raises:
        WrongResultError: a run failed, or did not export all fines once.
    """
    filled = bench.create_ledger(FINES)
    with _airflow(bench) as client:
        client.wait_for_dags([EXPORT_DAG, EMPTY_DAG])
        return [_measure_round(bench, filled, client) for _ in range(1 + ROUNDS)][1:]


def _measure_round(bench: Bench, filled: str, client: AirflowClient) -> AirflowRound:
    shutil.rmtree(bench.server.disk, ignore_errors=True)
    (bench.server.disk / "out").mkdir(parents=True)
    with bench.copy_ledger(filled) as ledger:
        product = _run(client, EXPORT_DAG)
        engine = ledger_engine(bench.url(ledger))
        with engine.connect() as connection:
            batch = get_batch(connection, 1)
        engine.dispose()
        names = [file.name for file in (bench.server.disk / "out").iterdir()]
        if names != [batch.file_name]:
            raise WrongResultError(f"the run left {names}, not {batch.file_name}")
        bench.check_export(
            ledger, FINES, {"name": batch.file_name, "sha256": batch.files[0].sha256, "fines": batch.fines}
        )
    return AirflowRound(product, _run(client, EMPTY_DAG))


def _run(client: AirflowClient, dag_id: str) -> float:
    run_id = client.trigger(dag_id)
    if client.wait(dag_id, run_id) != "success":
        raise WrongResultError(f"run {run_id} of {dag_id} failed: {client.task_states(dag_id, run_id)}")
    run = next(run for run in client.runs(dag_id) if run["dag_run_id"] == run_id)
    seconds = datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])
    return seconds.total_seconds()


@contextmanager
def _airflow(bench: Bench) -> Iterator[AirflowClient]:
    """Starts an Airflow that has these two DAGs and no others, and yields its REST API."""
    folder = bench.folder / "airflow-runs"
    dags, include = folder / "dags", folder / "include"
    shutil.copytree(ROOT / "include", include, ignore=shutil.ignore_patterns("profiles", "profiles.examples"))
    (include / "profiles").mkdir()
    (include / "bursar.yaml").write_text(json.dumps(SETTINGS_FIELDS))  # JSON is YAML
    (include / "profiles" / "bench.yaml").write_text(json.dumps(PROFILE_FIELDS, indent=1))
    dags.mkdir()
    shutil.copy(ROOT / "dags" / "bursar_integrations.py", dags)
    (dags / "bench_empty.py").write_text(_render_empty_dag(folder, include))
    bench.postgres.create("airflow")
    ledger = {"conn_type": "postgres", "host": str(bench.postgres.sockets), "login": LEDGER_OWNER, "schema": COPY}
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "BURSAR_INCLUDE": str(include),
        "PYTHONDONTWRITEBYTECODE": "",  # without its bytecode, which production has, each task would compile Bursar
        "AIRFLOW_CONN_BURSAR_LEDGER": json.dumps(ledger),
        "AIRFLOW_CONN_BURSAR_BENCH": json.dumps(bench.server.connection),
    }
    with Airflow(folder / "home", bench.postgres.url("airflow", "psycopg2"), environment) as airflow:
        yield airflow.client


def _render_empty_dag(folder: Path, include: Path) -> str:
    env = os.environ | {
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",  # Airflow logs to standard output
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
        "AIRFLOW_HOME": str(folder / "rendering"),
        "BURSAR_INCLUDE": str(include),
    }
    command = [sys.executable, "-m", "bench.empty_dag", EXPORT_DAG, EMPTY_DAG]
    return subprocess.run(command, env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
