-- Inserts the files of a batch whose lines are frozen: those of :files, a list of {number, file_name, kinds, is_kept_empty}.
-- Without kinds, a file has all fines of the batch. A file without fines is left out unless it is kept empty.
INSERT INTO batch_files (batch_id, number, file_name, kinds, fines, users, totals)
SELECT batches.id, file.number, file.file_name, file.kinds,
       CASE WHEN file.kinds IS NULL THEN batches.fines ELSE coalesce(counted.fines, 0) END,
       CASE WHEN file.kinds IS NULL THEN batches.users ELSE counted.users END,
       CASE WHEN file.kinds IS NULL THEN batches.totals ELSE counted.totals END
FROM batches
CROSS JOIN jsonb_to_recordset(CAST(:files AS jsonb)) AS file (number smallint, file_name text, kinds text[], is_kept_empty boolean)
CROSS JOIN LATERAL (
    SELECT sum(of_currency.fines) AS fines,
           (SELECT count(DISTINCT user_id) FROM batch_lines
            WHERE file.kinds IS NOT NULL AND batch_id = :batch_id
              AND line_kind(amount, reversal, reversed_transaction_id) = ANY (file.kinds)) AS users,
           coalesce(jsonb_object_agg(currency, jsonb_build_object('charges', CAST(charges AS text), 'credits', CAST(credits AS text)))
                    FILTER (WHERE currency IS NOT NULL), '{}') AS totals
    FROM (
        SELECT currency, count(*) AS fines, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS charges,
               coalesce(sum(amount) FILTER (WHERE amount < 0), 0) AS credits
        FROM batch_lines
        WHERE file.kinds IS NOT NULL AND batch_id = :batch_id
          AND line_kind(amount, reversal, reversed_transaction_id) = ANY (file.kinds)
        GROUP BY currency
    ) AS of_currency
) AS counted
WHERE batches.id = :batch_id AND batches.fines > 0 AND (file.kinds IS NULL OR file.is_kept_empty OR counted.fines > 0);
