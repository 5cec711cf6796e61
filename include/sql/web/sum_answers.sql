-- The bursar's answers to a batch: its fines by what was paid at the bursar and what is outstanding there today, with the sums.
SELECT answer, currency, count(*) AS fines, sum(paid) AS paid, sum(outstanding) AS outstanding
FROM (
    SELECT lines.currency, payments.paid, fines.outstanding,
           CASE WHEN fines.outstanding = 0 AND payments.paid <> 0 THEN 'paid'
                WHEN payments.paid <> 0 THEN 'partly paid'
                WHEN fines.outstanding <> 0 THEN 'outstanding'
                ELSE 'settled otherwise' END AS answer
    FROM batch_lines AS lines
    JOIN fines ON fines.id = lines.fine_id
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(outstanding_change), 0) AS paid
        FROM journal_entries
        WHERE journal_entries.fine_id = lines.fine_id AND entry_type = 'PAID_AT_BURSAR'
    ) AS payments
    WHERE lines.batch_id = :batch_id AND NOT lines.reversal
) AS by_fine
GROUP BY answer, currency
ORDER BY answer, currency;
