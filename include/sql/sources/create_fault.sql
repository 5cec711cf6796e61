-- Returns a fault of a row: its code, the field, the value (shortened), the reason and what to do.
CREATE OR REPLACE FUNCTION pg_temp.fault(code text, field text, value text, reason text, remedy text)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN jsonb_build_array(code, field, left(value, 60), reason, remedy);
