"""An auth manager that decides about DAGs as FAB's does, which has rights for single DAGs."""

from dataclasses import dataclass
from typing import Any

from bursar.airflow.dag_ids import dag_id
from bursar.ledger.jobs import Job

RUNS = ("POST", "DAG Runs")
"""The permission to create DAG runs; that to edit the DAG is needed besides."""


@dataclass(frozen=True)
class FabManager:
    """The rights of a person with permissions: methods, each with a resource, which is a DAG or all of them."""

    permissions: set[tuple[str, str]]

    def is_authorized_dag(
        self, *, method: str, access_entity: object = None, details: Any = None, user: object
    ) -> bool:
        """Returns the answer of `FabAuthManager.is_authorized_dag` of the FAB provider 3.10 about a DAG or its runs."""
        assert user
        if access_entity and (method, "DAG Runs") not in self.permissions:
            return False
        if method == "GET" and not details:
            return any(one == "GET" and resource.startswith("DAG") for one, resource in self.permissions)
        if access_entity and not details:
            return True
        on_dag = "PUT" if access_entity and method != "GET" else method
        own = {(on_dag, f"DAG:{details.id}")} if details else set()
        return not self.permissions.isdisjoint({(on_dag, "DAGs"), *own})

    def is_authorized_connection(self, **_: object) -> bool:
        """Returns False: the person has no right to connections."""
        return False


def dag_permissions(profile: str) -> set[tuple[str, str]]:
    """Returns the permissions with which a person reads and triggers the DAGs of a profile, by its code."""
    dags = [f"DAG:{dag_id(job, profile)}" for job in (Job.EXPORT, Job.IMPORT)]
    return {RUNS, *((method, dag) for method in ("GET", "PUT") for dag in dags)}
