-- requires: incoming_fines, row_messages
-- Warns, for a source that closes exported fines, about the known credits that name a charge for the first time, after a load had
-- settled them and the charge was exported: no lower balance of the charge says that the bursar has to be notified. The credits are
-- not linked yet.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'settled_credit', 'fines', incoming.line, incoming.source_id, credit.id, 'reverses', left(incoming.reverses, 60),
       format('reverses %s, which is with the bursar, but this credit was settled before: the bursar is not notified',
              to_json(left(incoming.reverses, 60))),
       'if the user does not owe that fine, settle it at the desk, so that the bursar is notified'
FROM incoming_fines AS incoming
JOIN fines AS credit ON credit.id = incoming.fine_id AND credit.reverses IS NULL
JOIN fines AS charge ON charge.source_id = incoming.reverses AND charge.source = :source
WHERE :closes_exported_fines
  AND (SELECT sum(balance_change) FROM journal_entries
       WHERE fine_id = credit.id AND load_id IS NOT NULL AND entry_type IN ('PAID', 'WAIVED', 'REOPENED')) > 0
  AND EXISTS (SELECT FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
              WHERE batch_lines.fine_id = charge.id AND batches.released_at IS NULL)
  AND NOT EXISTS (SELECT FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
                  WHERE batch_lines.fine_id = credit.id AND batches.released_at IS NULL);
