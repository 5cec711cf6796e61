"""The jobs as Airflow sees them: DAGs, connections. The only part, with the plugin, that knows Airflow."""
