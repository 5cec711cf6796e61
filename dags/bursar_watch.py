"""The Airflow DAG that looks for what did not happen in the jobs of the integration profiles."""

from bursar.orchestration.watch_dag import watch_dags

globals().update(watch_dags())
