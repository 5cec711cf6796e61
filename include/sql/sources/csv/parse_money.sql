-- Parses a sum of money in digits with a decimal point and at most three significant decimals; NULL if it is not one.
CREATE OR REPLACE FUNCTION pg_temp.as_money(value text) RETURNS numeric LANGUAGE sql STABLE
RETURN CASE WHEN value ~ '^-?\d{1,11}(\.\d{1,3}0*)?$' THEN CAST(value AS numeric(14, 3)) END;
