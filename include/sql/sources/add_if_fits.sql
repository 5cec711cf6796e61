-- Adds an amount to a sum, unless the new sum is above a limit.
CREATE OR REPLACE FUNCTION pg_temp.add_if_fits(total numeric, amount numeric, max numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN total + amount <= max THEN total + amount ELSE total END;
