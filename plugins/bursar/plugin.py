"""What Bursar adds to Airflow itself; loaded in each of its processes."""

from airflow.plugins_manager import AirflowPlugin

from bursar.orchestration import run_notes


class BursarPlugin(AirflowPlugin):
    """Writes how a run ended into its note."""

    name = "bursar"
    listeners = [run_notes]  # noqa: RUF012  as Airflow has it
