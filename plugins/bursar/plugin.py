"""Bursar's Airflow plugin, which every process of Airflow loads."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from bursar.airflow import run_listener

PREFIX = "bursar"
"""The path of the pages below Airflow's own. Addresses have no leading slash, as Airflow may have a path itself."""


class _PagesApp:
    """The app of the pages, created when it is asked for the first time: only the API server needs it."""

    def __get__(self, _instance: object, _owner: type) -> list[dict[str, Any]]:
        """Returns the declaration of the app for Airflow."""
        from bursar.web.app import create_app  # noqa: PLC0415

        return [{"app": create_app(), "url_prefix": f"/{PREFIX}", "name": "Bursar"}]


class BursarPlugin(AirflowPlugin):
    """Adds the listener that writes the outcome of a run into its note, and the pages for librarians."""

    name = "bursar"
    listeners = [run_listener]  # noqa: RUF012  Airflow declares it so
    fastapi_apps = _PagesApp()
    external_views = [  # noqa: RUF012
        {
            "name": "Bursar",
            "href": f"{PREFIX}/",
            "url_route": "bursar",
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{PREFIX}/static/icon.svg",
            "icon_dark_mode": f"{PREFIX}/static/icon-dark.svg",
        },
        {
            "name": "Bursar profile",
            "href": f"{PREFIX}/dags/{{DAG_ID}}",
            "url_route": "bursar_profile",
            "destination": "dag",
        },
        {
            "name": "Job report",
            "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
            "url_route": "bursar_report",
            "destination": "dag_run",
        },
    ]
