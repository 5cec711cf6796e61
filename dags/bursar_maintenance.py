"""Maintenance: the Airflow DAGs Purge User Records and Bulk Fine Waiving, which a person starts from a form."""

from bursar.airflow.maintenance_dags import purge_dag, waive_dag

purge, waive = purge_dag(), waive_dag()
