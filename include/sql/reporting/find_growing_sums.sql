-- Finds signs that an incremental file reports totals, and no payments. Returns how many fines show one: they were overpaid twice
-- in a row; or all their sums have grown from file to file, in three files or up to an overpayment. If the sums of all fines
-- that were reported before have only grown, at least three times together, all these fines count.
WITH reported AS (
    SELECT records.fine_id, records.matched_id, sum(abs(records.amount)) AS amount,
           bool_or(records.outcome IN ('OVERPAID', 'OVERPAID_HELD')) AS is_overpaid,
           bool_or(records.outcome = 'ALREADY_SETTLED') AS is_settled
    FROM import_records AS records JOIN fines ON fines.id = records.fine_id
    WHERE records.file_id = :file_id AND records.matched_id IS NOT NULL
      AND records.outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'OVERPAID_HELD', 'ALREADY_SETTLED')
      AND NOT (records.outcome = 'PAID' AND records.amount = fines.amount)    -- nothing was paid before
    GROUP BY records.fine_id, records.matched_id
), sums AS (
    SELECT matched_id, true AS is_newest, CAST('infinity' AS timestamptz) AS applied_at, amount, is_overpaid, is_overpaid OR is_settled AS is_beyond
    FROM reported
    UNION ALL
    SELECT reported.matched_id, false, earlier.applied_at, earlier.amount, earlier.is_overpaid, earlier.is_overpaid
    FROM reported CROSS JOIN LATERAL (
        SELECT files.applied_at, sum(abs(records.amount)) AS amount,
               bool_or(records.outcome IN ('OVERPAID', 'OVERPAID_HELD')) AS is_overpaid
        FROM journal_entries
        JOIN import_records AS records
            ON records.file_id = journal_entries.import_file_id AND records.number = journal_entries.import_record
        JOIN import_files AS files ON files.id = records.file_id
        WHERE journal_entries.fine_id = reported.fine_id AND journal_entries.entry_type = 'PAID_AT_BURSAR'
          AND records.matched_id = reported.matched_id AND records.outcome <> 'PAYMENT_REVERSED'
          AND files.id <> :file_id AND files.amount_mode = 'incremental' AND files.repeated_arrival_id IS NULL
          AND files.applied_at < (SELECT applied_at FROM import_files WHERE id = :file_id)
        GROUP BY files.id
    ) AS earlier
), steps AS (
    SELECT *, amount - lag(amount) OVER of_fine AS growth,
           is_newest AND is_beyond AND lag(is_overpaid) OVER of_fine AS is_overpaid_twice
    FROM sums WINDOW of_fine AS (PARTITION BY matched_id ORDER BY applied_at)
), by_fine AS (
    SELECT matched_id, count(growth) AS steps, count(*) FILTER (WHERE growth > 0) AS rises,
           coalesce(bool_or(is_overpaid_twice), false) AS is_overpaid_twice, bool_or(is_newest AND is_overpaid) AS is_overpaid
    FROM steps GROUP BY matched_id HAVING count(growth) > 0
), all_fines AS (
    SELECT *, sum(rises) OVER () >= 3 AND sum(rises) OVER () = sum(steps) OVER () AS is_every_rise FROM by_fine
)
SELECT count(*) FROM all_fines
WHERE is_overpaid_twice OR is_every_rise OR (rises = steps AND (steps >= 2 OR is_overpaid));
