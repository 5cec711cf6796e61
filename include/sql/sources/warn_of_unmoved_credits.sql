-- requires: fine_changes, row_messages, staged_fines
-- Warns about the moved charges that have open credits that did not move with them, since an unfinished export holds these.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'credit_not_moved', 'fines', moved.line, given.fine_id, moved.fine_id, 'primary_id', left(given.primary_id, 60),
       'the fine moved to another user, but its credits of ' || to_char(sum(abs(credits.balance)), 'FM99999999990.009')
           || ' are on their way to the bursar for the user before',
       'tell the bursar that both accounts are of the same user'
FROM fine_changes AS moved
JOIN staged_fines AS given USING (line)
JOIN fines AS credits ON credits.reverses = moved.fine_id
WHERE moved.moved_to IS NOT NULL AND moved.place <> 'batch' AND credits.balance <> 0 AND credits.user_id <> moved.moved_to
GROUP BY moved.line, given.fine_id, moved.fine_id, given.primary_id;
