-- Counts and sums up the outcomes of a file, by the currency in the file.
SELECT outcome, coalesce(currency, '') AS currency, count(*) AS records, coalesce(sum(amount), 0) AS sum,
       coalesce(sum(applied), 0) AS applied, coalesce(sum(credit_amount), 0) AS credit_amount,
       coalesce(sum(held_amount), 0) AS held_amount,
       coalesce(sum(already_settled) FILTER (WHERE already_settled > 0), 0) AS paid_twice
FROM import_records WHERE file_id = :file_id
GROUP BY outcome, coalesce(currency, '')
ORDER BY outcome, currency;
