-- What a user owes and where: at the library, at each bursar, on the way there, and reversals that a bursar does not know yet.
SELECT place, profile, note, currency, count(*) AS fines, sum(amount) AS amount
FROM (
    SELECT 'At the library' AS place, 1 AS position, NULL AS profile,
           CASE WHEN batches.id IS NOT NULL THEN 'being exported in batch ' || batches.id || ' of ' || batches.profile
                WHEN fines.status = 'DISPUTED' THEN 'disputed' ELSE '' END AS note,
           fines.currency, fines.balance AS amount
    FROM fines
    LEFT JOIN batch_claims ON batch_claims.fine_id = fines.id AND NOT batch_claims.reversal
    LEFT JOIN batches ON batches.id = batch_claims.batch_id
    WHERE fines.user_id = :user_id AND fines.balance <> 0
    UNION ALL
    SELECT 'At the bursar', 2, sent.profile, '', fines.currency, fines.outstanding
    FROM fines LEFT JOIN exported_fines AS sent ON sent.fine_id = fines.id
    WHERE fines.user_id = :user_id AND fines.outstanding <> 0
    UNION ALL
    SELECT 'At the bursar', 3, sent.profile, 'settled at the library; the next export reverses it', fines.currency,
           fines.pending_reversal
    FROM fines LEFT JOIN exported_fines AS sent ON sent.fine_id = fines.id
    WHERE fines.user_id = :user_id AND fines.pending_reversal <> 0
) AS parts
GROUP BY position, place, profile, note, currency
ORDER BY position, place, profile, note, currency;
