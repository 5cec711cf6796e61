"""Problems: no DAG. Its import fails while a profile or a source is invalid; Airflow shows why as an import error."""

from bursar.airflow.dag_factory import report_problems

report_problems()
