"""No DAG: fails to import while an integration profile is wrong, so that Airflow shows what to mend."""

from bursar.orchestration.integrations import report_problems

report_problems()
