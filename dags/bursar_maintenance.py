"""The Airflow DAGs over users, which a person starts from a form: Purge User Records and Bulk Fine Waiving."""

from bursar.airflow.maintenance_dags import purge_dag, waive_dag

purge, waive = purge_dag(), waive_dag()
