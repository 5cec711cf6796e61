-- Parses a moment written as ISO 8601, in the given time zone if it has no offset; a day alone is its first moment.
-- NULL if it is not one.
CREATE OR REPLACE FUNCTION pg_temp.as_moment(value text, time_zone text) RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE
    WHEN value !~ '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?$'
         OR NOT pg_input_is_valid(value, 'timestamptz') THEN NULL
    WHEN value ~ ':.*[Z+-]' THEN CAST(value AS timestamptz)
    ELSE CAST(value AS timestamp) AT TIME ZONE time_zone
END;
