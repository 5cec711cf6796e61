"""`make bench-pages`: measures the server time of each page in a large ledger, beside a page that reads nothing.

make bench-pages FINES=1000000 RUNS=100000

The app runs in this process, with Airflow's own auth manager, so that the network and the browser do not count.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from secrets import token_urlsafe

from bench import servers
from bench.__main__ import temporary_folder
from bench.rounds import FILL
from bursar.db.engine import grant, ledger_engine, migrate
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres
from demo.profiles import write_include

LEDGER = "pages"
PROFILES = 20
MAX_SECONDS = 0.3
COUNT = "count of what is outstanding"
ADD_RUNS = (Path(__file__).parent / "runs.sql").read_text(encoding="utf-8")


def main() -> None:
    """Fills the ledger, opens the pages, prints their times, and fails if one is too slow."""
    parser = argparse.ArgumentParser(prog="make bench-pages")
    parser.add_argument("--fines", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=100_000)
    arguments = parser.parse_args()
    with temporary_folder() as folder, servers.postgres(folder / "postgres") as postgres:
        _create_ledger(postgres, arguments.fines, arguments.runs)
        found = _measure(_make_environment(folder, postgres))
    counted, _ = found.pop(COUNT)
    _print(found, arguments.fines, arguments.runs)
    print(f"Counting what is outstanding, at the end of each run: {counted:.2f} s")
    pages = {name: seconds for name, (seconds, _) in found.items() if not name.startswith("part: ")}
    if slow := [name for name, seconds in pages.items() if seconds > MAX_SECONDS]:
        sys.exit(f"Slower than {MAX_SECONDS * 1000:.0f} ms: {', '.join(slow)}")


def _create_ledger(postgres: Postgres, fines: int, runs: int) -> None:
    """Creates a ledger of which a twentieth of the fines is open, and a fiftieth of the others outstanding."""
    postgres.create_ledger(LEDGER)
    engine = ledger_engine(postgres.url(LEDGER, user=LEDGER_OWNER))
    migrate(engine)
    grant(engine, DAGS_ROLE)
    engine.dispose()
    with postgres.connect(LEDGER) as connection:
        for name, value in {"fines": fines // 20, "closed": fines - fines // 20, "runs": runs}.items():
            connection.execute("SELECT set_config(%s, %s, false)", [f"bench.{name}", str(value)])
        with connection.transaction():
            connection.execute(FILL)
        with connection.transaction():
            connection.execute(ADD_RUNS)
        connection.execute("VACUUM (ANALYZE, FREEZE)")


def _make_environment(folder: Path, postgres: Postgres) -> dict[str, str]:
    """Returns an environment that names the ledger, the profiles and Airflow's own empty database."""
    include = write_include(folder / "include")
    example = (include / "profiles" / "students.yaml").read_text(encoding="utf-8")
    for number in range(PROFILES):
        profile = example.replace("code: STUDENTS", f"code: P{number}").replace("students/", f"p{number}/")
        (include / "profiles" / f"p{number}.yaml").write_text(profile, encoding="utf-8")
    url = ledger_engine(postgres.url(LEDGER, user=DAGS_ROLE)).url
    connection = {"conn_type": "postgres", "login": url.username, "schema": url.database, "extra": dict(url.query)}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "BURSAR_INCLUDE": str(include),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": token_urlsafe(64),
        "AIRFLOW_CONN_BURSAR_LEDGER": json.dumps(connection),
    }


def _measure(environment: dict[str, str]) -> dict[str, list[float]]:
    """Returns the seconds, and those of the processor, of each page and of the count, from a process of its own."""
    command = [sys.executable, "-m", "bench.page_times"]
    found = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603
    return dict(json.loads(found.splitlines()[-1]))


def _print(found: dict[str, list[float]], fines: int, runs: int) -> None:
    load = os.getloadavg()[0]
    print(f"Server time of the pages, {fines:,} fines and {runs:,} runs, medians, at a load of {load:.1f}:")
    for name, (seconds, of_processor) in found.items():
        print(f"{name:42} {seconds * 1000:8.1f} ms, {of_processor * 1000:6.1f} ms of the processor")


if __name__ == "__main__":
    main()
