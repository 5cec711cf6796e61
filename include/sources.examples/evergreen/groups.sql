-- psql --csv --file=groups.sql --output=groups.csv
SELECT name AS code, name FROM permission.grp_tree
