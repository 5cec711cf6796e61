"""Library fines out to a campus bursar, payments back in, on Apache Airflow.

docs/explanation/architecture.md has the way of a fine, the tree of packages and who may import whom.
"""

VERSION = "0.1.0"
