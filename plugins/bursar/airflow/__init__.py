"""DAGs, tasks, sensor and connections: with plugin.py and web/ the only modules that import Airflow."""
