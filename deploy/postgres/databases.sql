-- Two databases, each for a role of its own, and the role of the DAGs. PostgreSQL's image runs this once, on an empty volume.
\set ON_ERROR_STOP on
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
\getenv owner_password LEDGER_OWNER_PASSWORD
\getenv dags_password LEDGER_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;

CREATE ROLE ledger_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE bursar LOGIN PASSWORD :'dags_password';
CREATE DATABASE ledger OWNER ledger_owner;
REVOKE ALL ON DATABASE ledger FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE ledger TO bursar;
\connect ledger
ALTER SCHEMA public OWNER TO ledger_owner;
-- The ledger has no large objects; a role that creates them could fill the disk.
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
