-- requires: fine_changes
-- Moves the credits of moved charges to the new user with them, unless they were exported, or an unfinished export holds them.
INSERT INTO journal_entries (fine_id, entry_type, moved_to, comment, load_id)
SELECT credits.id, 'MOVED', moved.moved_to, 'moved with its charge', :load_id
FROM fine_changes AS moved
JOIN fines AS credits ON credits.reverses = moved.fine_id
WHERE moved.moved_to IS NOT NULL AND moved.place <> 'batch' AND credits.balance <> 0 AND credits.user_id <> moved.moved_to
  AND NOT EXISTS (SELECT FROM batch_claims WHERE batch_claims.fine_id = credits.id AND NOT reversal)
ORDER BY moved.line, credits.id;
