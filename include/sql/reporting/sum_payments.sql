-- Sums up the payments that a run of a profile applied, by currency, less those that the bursar reversed: paid on charges
-- and, as sums below 0, returned of credits. The numbers of fines and users are those of payments, over all currencies.
SELECT currency, charges, credits, sum(fines) OVER () AS fines, users
FROM (
    SELECT fines.currency, count(DISTINCT fines.id) FILTER (WHERE records.outcome <> 'PAYMENT_REVERSED') AS fines,
           coalesce(sum(records.applied) FILTER (WHERE fines.amount > 0), 0) AS charges,
           coalesce(sum(records.applied) FILTER (WHERE fines.amount < 0), 0) AS credits
    FROM import_files
    JOIN import_records AS records ON records.file_id = import_files.id AND records.applied IS NOT NULL
    JOIN fines ON fines.id = records.fine_id
    WHERE import_files.profile = :profile AND import_files.applied_by_run_id = :run_id
    GROUP BY fines.currency
) AS by_currency
CROSS JOIN (
    SELECT count(DISTINCT fines.user_id) AS users
    FROM import_files
    JOIN import_records AS records ON records.file_id = import_files.id AND records.applied IS NOT NULL
                                  AND records.outcome <> 'PAYMENT_REVERSED'
    JOIN fines ON fines.id = records.fine_id
    WHERE import_files.profile = :profile AND import_files.applied_by_run_id = :run_id
) AS of_all
ORDER BY currency;
