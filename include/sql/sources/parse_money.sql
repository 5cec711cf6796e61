-- Parses a sum of money in digits with a decimal point; NULL if it is not one or is too large. [0-9] matches only the digits
-- that a cast accepts; \d may match those of other scripts. A limit of repetitions in the pattern would make it slow.
CREATE OR REPLACE FUNCTION pg_temp.as_money(value text) RETURNS numeric LANGUAGE sql STABLE
RETURN CASE WHEN length(value) <= 113 AND value ~ '^-?[0-9]+([.][0-9]+)?$' AND abs(CAST(value AS numeric)) < 99999999999.5
    THEN CAST(value AS numeric) END;
