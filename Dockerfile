# Airflow's own image with Bursar in it. `make image` builds it.
FROM apache/airflow:slim-3.3.2-python3.12

# gpg encrypts files for bursars that want it.
USER root
RUN apt-get update && apt-get install --yes --no-install-recommends gnupg && rm -rf /var/lib/apt/lists/*
USER airflow

COPY --chown=airflow:0 requirements-cluster.lock /opt/airflow/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /opt/airflow/requirements-cluster.lock

COPY --chown=airflow:0 bin /opt/airflow/bin
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include
