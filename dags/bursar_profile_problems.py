"""Profile problems: no DAG. Its import fails while a profile is invalid, and Airflow shows why as an import error."""

from bursar.airflow.dag_factory import report_problems

report_problems()
