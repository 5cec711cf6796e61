-- requires: fine_changes, row_messages, staged_fines
-- Warns about a charge of which the bursar asks for more than is open in the library system, since a credit that was on its way to
-- that bursar has been cancelled or lowered. The changes of the load are posted.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'still_owed', 'fines', changes.line, given.fine_id, changes.fine_id, 'amount', given.amount,
       format('less of the fine %s is taken back than before: the bursar asks for %s, the library system for %s',
              to_json(left(charge.source_id, 60)), to_char(charge.outstanding - still_open.credits, 'FM99999999990.009'),
              to_char(charge.source_balance, 'FM99999999990.009')),
       'if the user does not owe it, settle that fine at the desk, so that the bursar is notified'
FROM fine_changes AS changes
JOIN staged_fines AS given USING (line)
JOIN fines AS credit ON credit.id = changes.fine_id
JOIN fines AS charge ON charge.id = credit.reverses
CROSS JOIN LATERAL (
    SELECT sum(abs(balance) + abs(outstanding)) AS credits FROM fines WHERE fines.reverses = charge.id
) AS still_open
WHERE changes.place = 'library' AND changes.goes_in_full IS NOT NULL AND NOT changes.is_new
  AND (changes.new_status = 'cancelled' AND changes.settled > 0 OR changes.adjusted < 0)
  AND charge.outstanding - still_open.credits > charge.source_balance
  AND (charge.source_status = 'cancelled' OR charge.source_balance > 0 OR NOT :closes_exported_fines);
