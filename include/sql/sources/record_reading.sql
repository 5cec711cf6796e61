-- requires: row_messages, staged_fines
-- Records how far a system was read, in the transaction of the load, by its clock (:read_at), but never beyond the moment of the run
-- (:now), since a clock may be wrong. A complete reading has only open fines. So it moves nothing on, and a reading that has rejected a
-- fine which is settled now, and was open, does not either: the next one reads the row again.
UPDATE system_sources SET
    complete_at = CASE WHEN :complete THEN least(CAST(:read_at AS timestamptz), :now) ELSE complete_at END,
    read_at = CASE WHEN read_at IS NOT NULL AND (:complete OR EXISTS (
                       SELECT FROM row_messages AS rejected
                       JOIN staged_fines AS staged ON staged.line = rejected.line
                       LEFT JOIN fines ON fines.source = :source AND fines.source_id = staged.fine_id
                       WHERE rejected.kind = 'rejected' AND rejected.of_table = 'fines' AND rejected.line > 0
                         AND (staged.fine_id IS NULL OR fines.source_balance IS DISTINCT FROM 0 AND fines.id IS NOT NULL)
                         AND coalesce(pg_temp.as_money(staged.balance), 0) = 0))
                   THEN read_at ELSE least(CAST(:read_at AS timestamptz), :now) END
WHERE source = :source;
