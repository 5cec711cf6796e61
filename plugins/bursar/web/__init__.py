"""The pages in the Airflow UI: profiles, history, reports, fines, and what waits for a person."""
