-- requires: row_messages, staged_fines
-- Replaces the owners and types of a reading by those of Bursar (:maps, JSON by column), and marks the rows that were rejected for
-- them, so that nothing else looks at these.
UPDATE staged_fines SET
    owner_library = nullif(coalesce(CAST(:maps AS jsonb) -> 'owner_library' ->> coalesce(owner_library, 'none'), owner_library),
                           'institution'),
    fine_fee_type = coalesce(CAST(:maps AS jsonb) -> 'fine_fee_type' ->> coalesce(fine_fee_type, 'none'), fine_fee_type),
    fault_reason = CASE WHEN line IN (SELECT line FROM row_messages WHERE code = 'unmapped') THEN 'is not in a map' END
WHERE line > 0 AND fault_reason IS NULL;
