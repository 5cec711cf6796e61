"""`make cluster-test`: six exports and six imports at the same time on a cluster that loses a machine in every task.

Every fine must be exported once, and every payment applied once, to the cent.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from secrets import token_hex

from cryptography.fernet import Fernet
from sqlalchemy import Engine

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from cluster.check import find_export_problems, find_import_problems, send_payments
from cluster.compose import PROJECT, example_variables, read_compose
from cluster.faults import Fault, Gate, held, locked
from cluster.library import CODES, SERVERS, connection, write_fines, write_profiles
from cluster.machines import ADDRESSES, Cluster, Machine
from demo.airflow_client import AirflowClient
from demo.processes import end_all, find_processes
from demo.servers import Account, SftpAddress, sftp_server

STATE = PROJECT / ".local" / "cluster" / "state"
PACKAGES = PROJECT / ".local" / "cluster" / "venv"
COPIED_FOLDERS = ("bin", "dags", "plugins", "include", "deploy")
START_TIMEOUT_SECONDS = 180
RUNS_TIMEOUT_SECONDS = 420  # for all runs
LONG_RUNNING = ("dag-processor", "triggerer", "scheduler", "worker", "worker-maintenance")
Holds = Mapping[tuple[str, str], AbstractContextManager[object]]
"""Blocks a task by profile and task id."""
began = time.monotonic()


def say(message: str) -> None:
    """Prints a message after the seconds since the start."""
    print(f"{time.monotonic() - began:5.0f} s  {message}", flush=True)


def main() -> int:
    """Runs the test; returns 0 if there is no problem and no process still runs."""
    project = _prepare_state()
    variables = _variables()
    cluster = Cluster(read_compose(variables), STATE, project, PACKAGES)
    gate = Gate()
    accounts = {server: Account(STATE / "bursars" / server, token_hex(12)) for server in SERVERS}
    problems = []
    try:
        say("PostgreSQL and Redis start; the databases are migrated.")
        with cluster.postgres(), sftp_server(accounts, STATE / "sftp", files=gate.files) as server:
            try:
                cluster.machine("redis").start()
                fines = _prepare_services(cluster, server, accounts)
                client = _start_services(cluster, variables)
                address = f"ledger_owner:{variables['LEDGER_OWNER_PASSWORD']}@{ADDRESSES['postgres']}/ledger"
                engine = ledger_engine(f"postgresql://{address}")
                problems = _run_jobs(cluster, client, engine, gate, fines)
            finally:
                for machine in cluster.machines.values():
                    machine.kill()
    except BursarError as error:
        problems = [*problems, str(error)]
    finally:
        for folder in STATE.iterdir():
            end_all(folder, timeout_seconds=2)
    left = [process for folder in STATE.iterdir() for process in find_processes(folder)]
    problems += [f"still running: {process}" for process in left]
    for problem in problems:
        say(f"WRONG: {problem}")
    if not problems:
        say(
            "All is well: every fine was exported once, every payment applied once, to the cent. No process still runs."
        )
    return 1 if problems else 0


def _prepare_state() -> Path:
    """Empties the state folder and returns a copy of the project in it, with six profiles."""
    if STATE.exists():
        for machine in STATE.iterdir():
            end_all(machine, timeout_seconds=1)
        shutil.rmtree(STATE)
    project = STATE / "project"
    for name in COPIED_FOLDERS:
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "Dockerfile", project)
    write_profiles(project / "include" / "profiles")
    return project


def _variables() -> dict[str, str]:
    """Returns the variables of .env: secrets, and timeouts short enough to detect killed processes quickly."""
    secrets = {name: token_hex(24) for name, value in example_variables().items() if not value}
    return (
        example_variables()
        | secrets
        | {
            "FERNET_KEY": Fernet.generate_key().decode(),
            "OPENLINEAGE_TRANSPORT": "",
            "BASE_URL": f"http://{ADDRESSES['api-server']}:8080",
            "WORKERS": "2",
            "WORKER_CONCURRENCY": "3",
            "TASK_HEARTBEAT_TIMEOUT": "20",
            "TASK_HEARTBEAT_DETECTION": "5",
            "TASK_QUEUED_TIMEOUT": "30",
            "TASK_QUEUED_CHECK": "5",
            "ORPHANED_TASKS_CHECK": "10",
        }
    )


def _prepare_services(cluster: Cluster, server: SftpAddress, accounts: dict[str, Account]) -> dict[str, Decimal]:
    """Runs the one-off services and prepares the first export, as an administrator would; returns the fines."""
    migrations = [cluster.machine(name) for name in ("migrate-airflow", "migrate-ledger")]
    with ThreadPoolExecutor() as both:
        list(both.map(Machine.finish, migrations))
    admin = cluster.machine("admin")
    say("The connections to the bursars, their pools and the first login are created; users and fines are loaded.")
    admin.finish()
    for name, account in accounts.items():
        arguments = connection(name, server.host, server.port, str(account.password), server.host_key)
        admin.finish(["airflow", *arguments])
        account.folder.mkdir(parents=True, exist_ok=True)
    fines = write_fines(admin.folder)
    names = ("groups", "users", "fines")
    admin.finish(["bin/bursar", "sources", "load", *(part for name in names for part in (f"--{name}", f"{name}.csv"))])
    return fines


def _start_services(cluster: Cluster, variables: dict[str, str]) -> AirflowClient:
    """Starts the services and waits until Airflow knows the DAGs."""
    say("API server, two schedulers, DAG processor, triggerer and three workers start.")
    cluster.machine("api-server").start()
    for service in LONG_RUNNING:
        for machine in cluster.replicas(service):
            machine.start()
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            client = AirflowClient(variables["BASE_URL"], variables["ADMIN_USER"], variables["ADMIN_PASSWORD"])
            break
        except Exception as error:  # it may not respond yet
            for machine in cluster.machines.values():
                if machine.service in (*LONG_RUNNING, "redis", "api-server"):
                    machine.check()
            if time.monotonic() > deadline:
                raise BursarError(f"Airflow does not respond: {error}") from error
            time.sleep(1)
    client.wait_for_dags([f"bursar_{way}__{code}" for code in CODES for way in ("export", "import")], timeout=180)
    return client


def _run_jobs(
    cluster: Cluster, client: AirflowClient, engine: Engine, gate: Gate, fines: dict[str, Decimal]
) -> list[str]:
    bursars = STATE / "bursars"
    machines = {machine.name: machine for name in ("worker", "triggerer") for machine in cluster.replicas(name)}
    scheduler, redis = cluster.machine("scheduler", 1), cluster.machine("redis")

    say("Six exports start; a worker is killed during each task, and a scheduler.")
    holds = {
        ("P3", "upload_file"): gate.closed("rename", "P3-"),
        ("P4", "close_fines"): locked(engine, "LOCK TABLE journal_entries IN SHARE MODE"),
        ("P2", "build_file"): locked(
            engine,
            "SELECT FROM batches WHERE profile = 'P2' FOR UPDATE",
            once="SELECT id FROM batches WHERE profile = 'P2'",
        ),
    }
    last = {("P1", "select_fines"): locked(engine, "LOCK TABLE fines IN EXCLUSIVE MODE")}
    runs = _run(client, "export", machines, (holds, last), scheduler)
    separate = []
    for code, run_id in runs.items():
        hosts = {task["task_id"]: task["hostname"] for task in client.tasks(f"bursar_export__{code}", run_id)}
        separate += [code] if hosts["build_file"] != hosts["upload_file"] else []
        say(f"  {code} was built on {hosts['build_file']} and uploaded on {hosts['upload_file']}.")
    problems = find_export_problems(engine, bursars, fines)
    problems += [] if separate else ["no file was built on one worker and uploaded on another"]

    paid = send_payments(bursars)
    money = sum(bill.sum for bill in paid)
    say(f"{len(fines)} fines of {sum(fines.values())} were exported; the bursars send {len(paid)} payments of {money}.")
    say("Six imports start; the triggerer is killed while one waits, a worker during each task, and Redis.")
    holds = {
        ("P1", "wait_for_files"): gate.closed("scandir", "P1/in"),
        ("P2", "import_file.load_file"): gate.closed("open", "P2/in/payments"),
        ("P4", "import_file.archive_file"): gate.closed("rename", "P4/in/payments"),
    }
    last = {("P3", "import_file.apply_payments"): locked(engine, "LOCK TABLE journal_entries IN SHARE MODE")}
    _run(client, "import", machines, (holds, last), redis)
    return problems + find_import_problems(engine, bursars, paid, fines)


def _run(
    client: AirflowClient,
    way: str,
    machines: dict[str, Machine],
    holds: tuple[Holds, Holds],
    other: Machine,
) -> dict[str, str]:
    """Starts the jobs of all profiles, kills machines that run them and `other`, and waits until all runs succeed.

    There are two rounds of holds. A hold of the second round would block the tasks of the first one, so its profile
    starts after their machines have been killed. Returns the runs by profile.
    """
    dags = {code: f"bursar_{way}__{code}" for code in CODES}
    late = {code for code, _ in holds[1]}
    runs = {code: client.trigger(dag) for code, dag in dags.items() if code not in late}
    for number, round_ in enumerate(holds):
        runs |= {code: client.trigger(dags[code]) for code, _ in round_ if code not in runs}
        faults = [Fault(dags[code], runs[code], task, hold) for (code, task), hold in round_.items()]
        hosts: dict[str, list[str]] = {}
        with held(client, faults) as stages:
            for fault, host in stages:
                if not hosts and number == 0:
                    _kill(other, "while the tasks run")
                hosts.setdefault(host, []).append(f"{fault.dag}.{fault.task}")
            for host, tasks in hosts.items():
                _kill(machines[host], f"during {', '.join(tasks)}")
    deadline = time.monotonic() + RUNS_TIMEOUT_SECONDS
    for code, run_id in runs.items():
        if (state := client.wait(dags[code], run_id, timeout=deadline - time.monotonic())) != "success":
            raise BursarError(f"The {way} of {code} ended with {state}: {client.task_states(dags[code], run_id)}")
    say(f"  All {len(runs)} runs have ended.")
    return runs


def _kill(machine: Machine, when: str) -> None:
    """Kills a machine and restarts it immediately."""
    machine.kill()
    machine.start()
    say(f"  {machine.name} was killed {when}.")


if __name__ == "__main__":
    sys.exit(main())
