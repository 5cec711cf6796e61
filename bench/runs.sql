-- Runs for the bench of the pages, after ledger.sql: bench.runs exports and imports of 20 profiles over three years, and one
-- closed fine in fifty outstanding at a bursar.
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;

INSERT INTO run_reports (job, profile, run_id, dry_run, started_at, ended_at, outcome, files, users, fines, totals, skipped, rejects,
                         task_timings, messages)
SELECT (ARRAY['export', 'import'])[1 + n / 20 % 2], 'P' || n % 20, 'scheduled__' || n, false, moment, moment + interval '1 minute',
       CASE WHEN n % 7 = 0 THEN 'completed with warnings' WHEN n % 400 = 3 THEN 'failed' ELSE 'completed' END,
       ARRAY['P' || n % 20 || '-' || n || '.xml'], 80, 100, '{"USD": {"charges": "1234.50", "credits": "-12.00"}}',
       '{"NO_IDENTIFIER": {"fines": 3, "users": 2, "net": {"USD": "12.50"}}}', '{}', '{"select_fines": 1.5, "upload_file": 2.5}',
       CASE WHEN n % 7 = 0 THEN ARRAY['3 fines of 2 users stay, because these users have no identifier.'] ELSE '{}' END
FROM generate_series(CAST(current_setting('bench.runs') AS integer), 1, -1) AS n,
     LATERAL (SELECT now() - n * (interval '3 years' / CAST(current_setting('bench.runs') AS integer)) AS moment) AS moments;

INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path, file_name, users,
                     fines, totals, skipped, selected_at, closed_at)
SELECT profile, run_id, started_at, true, '{}', 'bursar_banner', 'out', files[1], users, fines, totals, skipped, started_at, ended_at
FROM run_reports WHERE job = 'export' ORDER BY started_at;

INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, outcomes, read_at, applied_at,
                          applied_by_run_id)
SELECT profile, run_id, files[1], 1000, started_at, run_id, 'incremental', 100, '{"USD": "1000"}',
       '{"PAID": {"records": 90, "sums": {"USD": "900"}, "applied": {"USD": "900"}}, "UNMATCHED": {"records": 10, "sums": {"USD": "100"}}}',
       started_at, ended_at, run_id
FROM run_reports WHERE job = 'import' ORDER BY started_at;

-- Every closed fine was exported by one of the batches.
INSERT INTO batch_lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type,
                         last_transaction_at, currency, amount)
SELECT 1 + id % (SELECT count(*) FROM batches), id, 'T' || id, id, user_id, '1', 'x', fine_fee_type, created_at, currency, amount
FROM fines WHERE balance = 0;
UPDATE fines SET outstanding = amount WHERE balance = 0 AND id % 50 = 0;
