-- requires: row_messages, staged_fines
-- Rejects the rows of a reading whose owner or type is not in the maps of the source (:maps, JSON by column). Rows that earlier loads
-- deferred have Bursar's values already.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', 'unmapped', 'fines', line, staged.fine_id, given.field, left(given.value, 60),
       format('%s %s is not in the map %s of the source', given.noun, to_json(left(given.value, 60)), given.map),
       format('add a line %s: %s to %s in the file of the source; the next complete reading loads the fine',
              to_json(given.value), given.example, given.map)
FROM staged_fines AS staged
CROSS JOIN LATERAL (VALUES
    ('owner_library', 'the owner', 'owners', coalesce(staged.owner_library, 'none'), 'LIBRARY'),
    ('fine_fee_type', 'the type', 'fine_fee_types', coalesce(staged.fine_fee_type, 'none'), 'TYPE')
) AS given (field, noun, map, value, example)
WHERE line > 0 AND fault_reason IS NULL AND NOT jsonb_exists(CAST(:maps AS jsonb) -> given.field, given.value)
  AND (given.field, given.value) IS DISTINCT FROM ('fine_fee_type', 'CREDIT');
