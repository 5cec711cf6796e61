-- Parses a moment written as ISO 8601, in the given time zone if it has no offset; a day alone is its first moment.
-- NULL if it is not one, or if a time zone may move it out of the years 1 to 9999.
CREATE OR REPLACE FUNCTION pg_temp.as_moment(value text, time_zone text) RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE
    WHEN left(value, 4) IN ('0001', '9999') OR NOT pg_input_is_valid(value, 'timestamptz') THEN NULL
    WHEN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?$'
    THEN CAST(value AS timestamp) AT TIME ZONE time_zone
    WHEN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$'
    THEN CAST(value AS timestamptz)
END;
