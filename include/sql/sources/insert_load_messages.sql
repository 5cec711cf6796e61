-- Records the messages of a load.
INSERT INTO load_messages (load_id, number, kind, code, file, line, source_id, fine_id, field, value, reason, remedy)
SELECT :load_id, row_number() OVER (), kind, code, file, line, source_id, fine_id, field, value, reason, remedy
FROM jsonb_to_recordset(CAST(:messages AS jsonb)) AS given (
    kind text, code text, file text, line integer, source_id text, fine_id bigint, field text, value text, reason text, remedy text);
