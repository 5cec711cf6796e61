"""Monitoring: the Airflow DAG that alerts people to late runs, missing files and unsent batches."""

from bursar.airflow.monitoring_dag import monitoring_dags

globals().update(monitoring_dags())
