-- psql --csv --file=libraries.sql --output=libraries.csv
SELECT shortname AS code, id, name FROM actor.org_unit
