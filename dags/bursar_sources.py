"""Sources: an Airflow DAG for each active source in include/sources, which loads users and fines into the ledger."""

from bursar.airflow.dag_factory import build_source_dags

globals().update(build_source_dags())
