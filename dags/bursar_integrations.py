"""Integrations: an Airflow DAG for each active export or import section of the profiles in include/profiles."""

from bursar.airflow.dag_factory import build_dags

globals().update(build_dags())
