"""Bursar's Airflow plugin, which every process of Airflow loads."""

from airflow.plugins_manager import AirflowPlugin

from bursar.airflow import run_listener


class BursarPlugin(AirflowPlugin):
    """Adds the listener that writes the outcome of a run into its note."""

    name = "bursar"
    listeners = [run_listener]  # noqa: RUF012  Airflow declares it so
