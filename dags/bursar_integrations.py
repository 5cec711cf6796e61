"""One Airflow DAG for each active section of each integration profile in include/profiles."""

from bursar.orchestration.integrations import integration_dags

globals().update(integration_dags())
