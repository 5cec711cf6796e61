"""Measures the parsing of many profiles beside as many DAGs written by hand, and of the one DAG that a task needs.

PYTHONPATH=plugins .venv/bin/python -m bench.parsing 10 100 1000
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PROGRAM = """
import json, resource, sys, time
began = time.monotonic()
{imports}
loaded = time.monotonic()
{build}
seconds = time.monotonic() - loaded
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps([loaded - began, seconds, len(dags), sum(len(dag.tasks) for dag in dags), memory]))
"""
PROFILES = PROGRAM.format(
    imports="from bursar.airflow.dag_factory import build_dags", build="dags = build_dags().values()"
)
BY_HAND = PROGRAM.format(
    imports="from airflow.sdk import DAG",
    build="import by_hand; dags = [d for d in vars(by_hand).values() if isinstance(d, DAG)]",
)
DAG_BY_HAND = """
with DAG(
    "by_hand_{number}",
    schedule=CronTriggerTimetable("0 2 * * *", timezone="America/New_York"),
    catchup=False,
    max_active_runs=1,
    default_args={{"retries": 4, "retry_delay": timedelta(minutes=1)}},
) as dag_{number}:
{tasks}
    {chain}
"""
TASK = '''
    @task
    def step_{step}():
        """A step."""
        return {step}
'''


def main() -> None:
    """Prints a table, a row for each number of profiles."""
    print("| profiles | DAGs | imports | all DAGs | a profile | by hand | a DAG by hand | a task's own DAG | memory |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for profiles in map(int, sys.argv[1:] or ["1000"]):
        with TemporaryDirectory() as folder:
            include = copytree(
                ROOT / "include", Path(folder) / "include", ignore=lambda *_: {"profiles", "profiles.examples"}
            )
            _write_profiles(include / "profiles", profiles)
            imports, seconds, dags, tasks, memory = _run_program(PROFILES, {"BURSAR_INCLUDE": str(include)})
            (Path(folder) / "by_hand.py").write_text(_render_by_hand(int(dags), round(tasks / dags)))
            _, by_hand, *_ = _run_program(BY_HAND, {"PYTHONPATH": folder})
            wanted = f"bursar_export__P{profiles - 1}"
            own = _run_program(PROFILES, {"BURSAR_INCLUDE": str(include), "_AIRFLOW_PARSING_CONTEXT_DAG_ID": wanted})
        cells = [
            f"{profiles:,}", f"{dags:,}", f"{imports:.2f} s", f"{seconds:.2f} s", f"{seconds / profiles * 1000:.1f} ms",
            f"{by_hand:.2f} s", f"{by_hand / dags * 1000:.1f} ms", f"{own[1] * 1000:.0f} ms", f"{memory:.0f} MB",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


def _write_profiles(folder: Path, count: int) -> None:
    folder.mkdir()
    text = (ROOT / "include" / "profiles.examples" / "students.yaml").read_text(encoding="utf-8")
    for number in range(count):
        own = text.replace("code: STUDENTS", f"code: P{number}").replace("_path: ", f"_path: p{number}/")
        (folder / f"p{number}.yaml").write_text(own, encoding="utf-8")


def _render_by_hand(dags: int, tasks: int) -> str:
    steps = "".join(TASK.format(step=step) for step in range(tasks))
    chain = " >> ".join(f"step_{step}()" for step in range(tasks))
    imports = "from datetime import timedelta\nfrom airflow.sdk import DAG, CronTriggerTimetable, task\n"
    return imports + "".join(DAG_BY_HAND.format(number=number, tasks=steps, chain=chain) for number in range(dags))


def _run_program(program: str, environment: dict[str, str]) -> list[float]:
    path = os.pathsep.join([str(ROOT / "plugins"), environment.get("PYTHONPATH", "")])
    with TemporaryDirectory() as home:
        env = os.environ | {"AIRFLOW_HOME": home} | environment | {"PYTHONPATH": path}
        run = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)  # noqa: S603
    found: list[float] = json.loads(run.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
