"""What Bursar adds to Airflow itself; loaded in each of its processes."""

from airflow.plugins_manager import AirflowPlugin

from bursar.airflow import run_listener


class BursarPlugin(AirflowPlugin):
    """Writes how a run ended into its note."""

    name = "bursar"
    listeners = [run_listener]  # noqa: RUF012  as Airflow has it
