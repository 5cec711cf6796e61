"""No DAG: fails to import while an integration profile is wrong, so that Airflow shows what to mend."""

from bursar.airflow.dag_factory import report_problems

report_problems()
