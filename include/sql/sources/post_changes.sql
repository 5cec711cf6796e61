-- requires: fine_changes
-- Posts what was decided. The order of a fine's entries is that of the list: a dispute comes last.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, reversal_change, moved_to, comment, load_id)
SELECT fine_id, entry.type, entry.balance * sign, entry.outstanding, -entry.outstanding, entry.moved_to, entry.comment, :load_id
FROM (SELECT *, CASE WHEN is_credit THEN -1 ELSE 1 END AS sign FROM fine_changes WHERE place <> 'batch') AS changes
CROSS JOIN LATERAL (VALUES
    (1, 'MOVED', 0, 0, moved_to, 'accounts merged in the library system', moved_to IS NOT NULL),
    (2, 'ADJUSTED', adjusted, 0, NULL, 'another amount in the library system', adjusted <> 0),
    (3, 'REOPENED', reopened, 0, NULL, 'open again in the library system', reopened > 0),
    (4, 'REVERSED', -reversed, 0, NULL, 'reversed in the library system', reversed > 0),
    (5, settled_as, -settled, 0, NULL, 'reported by the library system', settled > 0),
    (6, settled_as, 0, -settled_there, NULL, 'settled at the library', settled_there > 0),
    (7, dispute, 0, 0, NULL, new_status || ' in the library system', dispute IS NOT NULL)
) AS entry (position, type, balance, outstanding, moved_to, comment, is_posted)
WHERE entry.is_posted
ORDER BY line, entry.position;
