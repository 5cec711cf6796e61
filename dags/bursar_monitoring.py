"""The Airflow DAG that looks for what did not happen in the jobs of the integration profiles."""

from bursar.airflow.monitoring_dag import monitoring_dags

globals().update(monitoring_dags())
