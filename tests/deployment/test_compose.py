"""docker-compose.yaml is valid, and all files, commands, variables and packages that it names exist."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from bursar.__main__ import bursar
from bursar.airflow import config, metrics
from bursar.errors import BursarError
from cluster.compose import COMPOSE, PROJECT, VARIABLE, example_variables, read_compose

HOME = "/opt/airflow/"
# As published in the repository compose-spec/compose-spec (Apache-2.0), commit 170098b of June 2026.
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
LOCK = (PROJECT / "requirements-cluster.lock").read_text(encoding="utf-8")
SECRETS = sorted(name for name, value in example_variables().items() if not value)
FILLED = example_variables() | dict.fromkeys(SECRETS, "secret")
SERVICES: dict[str, dict[str, Any]] = read_compose(FILLED)["services"]
OF_AIRFLOW = {name: service for name, service in SERVICES.items() if service["image"] == FILLED["BURSAR_IMAGE"]}
FROM_PROVIDERS = {"celery", "fab", "openlineage"}  # sections of packages that only the image has


def commands() -> list[tuple[str, list[str]]]:
    """Returns every simple command that the services of Bursar's image run, as words."""
    found = []
    for name, service in OF_AIRFLOW.items():
        assert service["command"][:2] == ["bash", "-c"]
        simple = service["command"][2].split("&&")
        found += [(name, [word for word in shlex.split(command) if word != "exec"]) for command in simple]
    return found


def test_it_keeps_to_the_compose_specification() -> None:
    errors = [
        f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(read_compose(FILLED))
    ]
    assert errors == []


@pytest.mark.parametrize(("service", "words"), commands(), ids=lambda value: value if isinstance(value, str) else None)
def test_every_command_exists(service: str, words: list[str]) -> None:
    if words[:2] == ["airflow", "celery"]:
        assert "apache-airflow-providers-celery==" in LOCK
    elif words[:2] == ["airflow", "users"]:
        assert "apache-airflow-providers-fab==" in LOCK
    elif words[0] == "airflow":
        get_parser().parse_args(words[1:])
    else:
        assert words[0] == "bin/bursar"
        assert (PROJECT / words[0]).is_file()
        command: click.Command = bursar
        context = click.Context(bursar)
        rest = words[1:]
        while isinstance(command, click.Group):
            _, command, rest = command.resolve_command(context, rest)  # type: ignore[assignment]
        command.make_context(None, [word if not word.startswith("$") else "2" for word in rest])


def test_every_mount_exists() -> None:
    sources = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    volumes = set(read_compose(FILLED)["volumes"])

    assert {source for source in sources if not (PROJECT / source).exists()} == volumes


def test_the_image_holds_what_is_mounted_and_what_runs() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY --chown=\S+ (\S+)", dockerfile, re.MULTILINE))
    kept = set(re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))

    assert copied == kept == {"bin", "dags", "include", "plugins", "requirements-cluster.lock"}
    assert all((PROJECT / name).exists() for name in copied)


def test_every_variable_of_airflow_is_an_option() -> None:
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, description in conf.configuration_description.items()
        for option in description["options"]
    }
    known |= {f"AIRFLOW__{config.SECTION}__{option}".upper() for option in config.OPTIONS}
    used = {name for service in OF_AIRFLOW.values() for name in service["environment"] if name.startswith("AIRFLOW__")}

    assert {name for name in used - known if name.split("__")[1].lower() not in FROM_PROVIDERS} == set()


def test_the_example_has_exactly_the_variables_in_use() -> None:
    used = {found["name"] for found in VARIABLE.finditer(COMPOSE.read_text(encoding="utf-8")) if found["name"]}
    of_tests = {
        f"TASK_{name}" for name in ("HEARTBEAT_TIMEOUT", "HEARTBEAT_DETECTION", "QUEUED_TIMEOUT", "QUEUED_CHECK")
    } | {"ORPHANED_TASKS_CHECK"}

    assert used - of_tests == set(example_variables())


@pytest.mark.parametrize("name", sorted(set(SECRETS) - {"OPENLINEAGE_TRANSPORT", "SFTP_PASSWORD"}))
def test_nothing_starts_without_a_secret(name: str) -> None:
    with pytest.raises(BursarError, match=f"write {name} in .env"):
        read_compose(FILLED | {name: ""})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_restarted_and_not_root(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].rpartition(":")[2]

    assert re.search(r"\d", tag), "a version"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["environment"]["TZ"] == "UTC"
    if service["restart"] == "no":
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
    # The SFTP server for trials changes to the account of the user who logs in.
    assert name == "sftp" or service["user"] not in ("root", "0", "0:0")


def test_it_has_the_services_of_a_cluster() -> None:
    assert {"postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer", "worker"} <= set(SERVICES)
    assert SERVICES["scheduler"]["deploy"]["replicas"] == 2
    assert all(SERVICES[name]["profiles"] for name in ("sftp", "statsd"))
    assert (
        yaml.safe_load((PROJECT / "deploy/helm-values.yaml").read_text(encoding="utf-8"))["executor"]
        == "CeleryExecutor"
    )


def test_the_dashboard_shows_metrics_that_are_sent() -> None:
    dashboard = json.loads((PROJECT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    shown = {
        metric
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for metric in re.findall(r"airflow_bursar_(\w+)", target["expr"])
    }
    sent = re.findall(r'"bursar\.(\w+)"', Path(str(metrics.__file__)).read_text(encoding="utf-8"))

    assert shown == set(sent) - {"credits"}
