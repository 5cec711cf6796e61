"""The demo: a real Airflow, a real PostgreSQL and a real SFTP server, on this machine alone."""
