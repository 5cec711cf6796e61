-- Parses a sum of money in digits with a decimal point, and rounds it half up, credits alike, to so many decimals; NULL if
-- it is not one or is too large. [0-9] matches only the digits that a cast accepts; \d may match those of other scripts.
CREATE OR REPLACE FUNCTION pg_temp.as_money(value text, decimals integer) RETURNS numeric LANGUAGE sql STABLE
RETURN CASE
    WHEN value !~ '^-?[0-9]{1,11}([.][0-9]{1,100})?$' THEN NULL
    WHEN abs(round(CAST(value AS numeric), decimals)) >= 100000000000 THEN NULL
    ELSE round(CAST(value AS numeric), decimals)
END;
