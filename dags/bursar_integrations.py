"""One Airflow DAG for each active section of each integration profile in include/profiles."""

from bursar.airflow.dag_factory import build_dags

globals().update(build_dags())
