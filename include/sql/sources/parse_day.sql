-- Parses a day written YYYY-MM-DD; NULL if it is not one.
CREATE OR REPLACE FUNCTION pg_temp.as_day(value text) RETURNS date LANGUAGE sql STABLE
RETURN CASE WHEN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' AND pg_input_is_valid(value, 'date') THEN CAST(value AS date) END;
