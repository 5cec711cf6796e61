-- Runs for the bench of the pages, after ledger.sql: bench.runs exports and imports of 20 profiles over three years, and one
-- closed fine in fifty outstanding at a bursar.
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;

INSERT INTO run_reports (job, profile, run_id, dry_run, started_at, ended_at, outcome, files, users, fines, totals, skipped, rejects,
                         task_timings, messages)
SELECT (ARRAY['export', 'import'])[1 + n / 20 % 2], 'P' || n % 20, 'scheduled__' || n, false, moment, moment + interval '1 minute',
       CASE WHEN n % 7 = 0 THEN 'completed with warnings' WHEN n % 400 = 3 THEN 'failed' ELSE 'completed' END,
       ARRAY['P' || n % 20 || '-' || n || '.xml'], 80, 100, '{"USD": {"charges": "1234.50", "credits": "-12.00"}}',
       '{"no_identifier": {"fines": 3, "users": 2, "net": {"USD": "12.50"}}}', '{}', '{"select_fines": 1.5, "upload_file": 2.5}',
       CASE WHEN n % 7 = 0 THEN ARRAY['3 fines of 2 users stay, because these users have no identifier.'] ELSE '{}' END
FROM generate_series(CAST(current_setting('bench.runs') AS integer), 1, -1) AS n,
     LATERAL (SELECT now() - n * (interval '3 years' / CAST(current_setting('bench.runs') AS integer)) AS moment) AS moments;

INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path, users, fines,
                     totals, skipped, selected_at, closed_at)
SELECT profile, run_id, started_at, true, '{}', 'bursar_banner', 'out', users, fines, totals, skipped, started_at, ended_at
FROM run_reports WHERE job = 'export' ORDER BY started_at;
INSERT INTO batch_files (batch_id, number, file_name, fines, users, totals)
SELECT batches.id, 1, run_reports.files[1], batches.fines, batches.users, batches.totals
FROM batches JOIN run_reports ON run_reports.job = 'export' AND run_reports.profile = batches.profile AND run_reports.run_id = batches.run_id;

INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, outcomes, read_at, applied_at,
                          applied_by_run_id)
SELECT profile, run_id, files[1], 1000, started_at, run_id, 'incremental', 100, '{"USD": "1000"}',
       '{"PAID": {"records": 90, "sums": {"USD": "900"}, "applied": {"USD": "900"}}, "UNMATCHED": {"records": 10, "sums": {"USD": "100"}}}',
       started_at, ended_at, run_id
FROM run_reports WHERE job = 'import' ORDER BY started_at;

INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified, archived_at, archived_path)
SELECT id, profile, run_id, name, size, modified, applied_at, 'processed/' || name FROM import_files ORDER BY id;

-- Every closed fine was exported by one of the batches and answered by one of the files of payments. The first of both is large, as
-- the first export of a library is: a twentieth of all.
INSERT INTO batch_lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type,
                         last_transaction_at, currency, amount)
SELECT CASE WHEN id % 20 = 0 THEN 1 ELSE 1 + id % (SELECT count(*) FROM batches) END, id, 'T' || id, id, user_id, '1', 'x',
       fine_fee_type, created_at, currency, amount
FROM fines WHERE balance = 0;
INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum, amount, fine_id, matched_id, outcome, applied, held_amount)
SELECT CASE WHEN id % 20 = 0 THEN 1 ELSE 1 + id % (SELECT count(*) FROM import_files) END, id, id, 'T' || id, currency, amount, amount,
       CASE WHEN outcome <> 'UNMATCHED' THEN id END, CASE WHEN outcome <> 'UNMATCHED' THEN 'T' || id END, outcome,
       CASE WHEN outcome <> 'UNMATCHED' THEN amount END, CASE WHEN outcome = 'OVERPAID_HELD' THEN 100 END
FROM fines, LATERAL (
    SELECT CASE WHEN id % 100000 = 1 THEN 'OVERPAID_HELD' WHEN id % 100 = 1 THEN 'UNMATCHED' ELSE 'PAID' END AS outcome
) AS outcomes
WHERE balance = 0;
UPDATE fines SET outstanding = amount WHERE balance = 0 AND id % 50 = 0;
