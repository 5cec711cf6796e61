"""The rights of the logged-in person, as Airflow's auth manager grants them.

| may | needs in Airflow |
| --- | --- |
| see a profile, its runs and sums | to read a DAG of the profile |
| see the layouts of files, and invented fines in them | to read a DAG of any profile, or to edit connections |
| see names and fines that a profile exported, or skipped although they fit it | to trigger that profile's DAG |
| see any user and any fine, also those that a profile skipped as not its own | to trigger every DAG |
| act on a job | to trigger its DAG |
| see a source and the counts of its loads | to read the source's DAG |
| see the rows that a load of a source names: values, ids of fines | to trigger that DAG |
| see loads of files that a person named; edit profiles; set off money by hand | to edit connections |

A check that fails for whatever reason denies.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, get_args
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request

from bursar.airflow.dag_ids import dag_id
from bursar.exports.skip_reason import SkipReason
from bursar.ledger.jobs import Job, ProfileJob

_PROFILE_JOBS = get_args(ProfileJob)
SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Person:
    """The person who looks at a page: the name in records of acts, and the rights."""

    user: BaseUser

    @property
    def name(self) -> str:
        """The name under which Airflow knows the person."""
        return self.user.get_name()

    def may_see(self, profile: str) -> bool:
        """Returns whether the person may see a profile, by its code: its runs and sums, no names."""
        return any(self._may_read(dag_id(job, profile)) for job in _PROFILE_JOBS)

    def may_act(self, owner: str | None, job: Job) -> bool:
        """Returns whether the person may start a job: that of a profile or source, or (None) one over users."""
        return self._may_trigger(dag_id(job, owner))

    def may_see_names(self, profile: str) -> bool:
        """Returns whether the person may see the names and fines that a profile exported."""
        return any(self.may_act(profile, job) for job in _PROFILE_JOBS)

    def list_visible_reasons(self, profile: str) -> frozenset[SkipReason]:
        """Returns the reasons whose skipped fines and names the person may see in an export of a profile.

        An export looks at every fine with a balance. Those that do not fit the profile are no business of its staff.
        """
        if not self.may_see_names(profile):
            return frozenset()
        all_users = self.may_see_all_users()
        return frozenset(reason for reason in SkipReason if all_users or reason.is_of_profile)

    def may_see_source(self, source: str) -> bool:
        """Returns whether the person may see a source, by its code, and the counts of its loads.

        The code '' stands for files that a person named: their loads belong to no DAG.
        """
        return self._may_read(dag_id(Job.SYNC, source)) if source else self.may_edit()

    def may_see_rows(self, source: str) -> bool:
        """Returns whether the person may see the rows that loads of a source name, and their values."""
        return self.may_act(source, Job.SYNC) if source else self.may_edit()

    def may_see_runs(self, job: Job, owner: str | None) -> bool:
        """Returns whether the person may see the runs of a job of a profile or source, or (None) of the institution."""
        if owner is None:
            return self.may_see_all_users()
        return self.may_see_source(owner) if job is Job.SYNC else self.may_see(owner)

    def may_see_all_users(self) -> bool:
        """Returns whether the person may see every user and every fine."""
        # Without a DAG, FAB asks only for runs in general, which a right on a single DAG needs, too. To edit DAGs
        # without naming one is the right on all of them.
        manager = get_auth_manager()
        return manager.is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, user=self.user
        ) and manager.is_authorized_dag(method="PUT", user=self.user)

    def may_edit(self) -> bool:
        """Returns whether the person may edit profiles, and set off money by hand."""
        return get_auth_manager().is_authorized_connection(method="PUT", user=self.user)

    def may_see_connection(self, connection_id: str) -> bool:
        """Returns whether the person may see a connection of Airflow, by its id, and so may use it in a profile."""
        # Only an Airflow with teams needs the look-up, which opens its database.
        teams = conf.getboolean("core", "multi_team", fallback=False)
        details = ConnectionDetails(
            conn_id=connection_id, team_name=Connection.get_team_name(connection_id) if teams else None
        )
        return get_auth_manager().is_authorized_connection(method="GET", details=details, user=self.user)

    def _may_read(self, dag: str) -> bool:
        return get_auth_manager().is_authorized_dag(method="GET", details=_details(dag), user=self.user)

    def _may_trigger(self, dag: str) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=_details(dag), user=self.user
        )


async def get_person(user: Annotated[BaseUser, Depends(get_user)]) -> Person:
    """Returns the person who is logged in; anonymous callers get 401."""
    return Person(user)


async def require_login(request: Request) -> None:
    """Raises 401 if the caller is not logged in. It reads no form, whereas FastAPI reads forms before dependencies."""
    await get_user(request, bearer_credentials=await bearer_scheme(request))


CurrentPerson = Annotated[Person, Depends(get_person)]


def require(allowed: bool, need: str) -> None:  # noqa: FBT001  reads as a sentence: require(person.may_edit(), "...")
    """Raises 403 with the right that is missing, unless the person has it."""
    if not allowed:
        raise HTTPException(403, f"This needs the right to {need}.")


def require_same_origin(request: Request) -> None:
    """Raises 403 if a change was not sent by one of these pages: another site could post with the person's cookie."""
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own_hosts = {request.headers.get("host"), *_hosts([conf.get("api", "base_url", fallback="")])}
    if site == "same-origin" or (site is None and origin and _hosts([origin]) & own_hosts):
        return
    raise HTTPException(403, "The form was not sent by a page of Bursar.")


def _hosts(addresses: Iterable[str]) -> set[str]:
    return {host for address in addresses if (host := urlsplit(address).netloc)}


def _details(dag: str) -> DagDetails:
    # Only an Airflow with teams needs the look-up, which opens its database.
    teams = conf.getboolean("core", "multi_team", fallback=False)
    return DagDetails(id=dag, team_name=DagModel.get_team_name(dag) if teams else None)
