-- Data for a ledger at revision 0001, in every table: never changed, since upgrades of it are tested. Ids count from 1.

INSERT INTO user_groups (code, name) VALUES ('STUDENT', 'Students');
INSERT INTO libraries (code, id, name) VALUES ('MAIN', '161686070006761', 'Main Library');
INSERT INTO users (last_name, first_name, user_group, expiry_date, purge_date) VALUES
    ('Beaver', 'Tim', 'STUDENT', '2027-01-01', '2028-01-01'), ('', '', 'STUDENT', NULL, NULL);
INSERT INTO identifiers (user_id, type, value) VALUES (1, 'userName', 'tim'), (1, '02', '00000001');
INSERT INTO items (barcode, title, library) VALUES ('1', 'Ecology of the saguaro /', 'MAIN');
INSERT INTO fines (source_id, user_id, item_id, owner_library, fine_fee_type, currency, amount, created_at, reverses) VALUES
    ('a1', 1, 1,    'MAIN', 'OVERDUEFINE', 'USD', 12.50, '2026-01-01', NULL),     -- 1: open
    ('a2', 1, 1,    'MAIN', 'OVERDUEFINE', 'USD',  5,    '2026-01-01', NULL),     -- 2: disputed
    ('a3', 1, 1,    NULL,   'LOSTITEM',    'USD', 10,    '2026-01-01', NULL),     -- 3: partly paid at the library
    ('a4', 1, NULL, 'MAIN', 'OTHER',       'USD',  6,    '2026-01-01', NULL),     -- 4: waived
    ('a5', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD', 20,    '2026-01-01', NULL),     -- 5: outstanding at the bursar
    ('a6', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD', 30,    '2026-01-01', NULL),     -- 6: partly paid at the bursar
    ('a7', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD',  8,    '2026-01-01', NULL),     -- 7: paid at the library after the export
    (NULL, 1, NULL, NULL,   'CREDIT',      'USD', -3,    '2026-01-01', 3),        -- 8: a credit
    ('a9', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD',  7,    '2026-01-01', NULL),     -- 9: delivered, not yet closed
    ('b1', 1, NULL, 'MAIN', 'OVERDUEFINE', 'KWD',  9.125, '2026-01-01', NULL),    -- 10: being uploaded
    ('b2', 2, NULL, 'MAIN', 'OVERDUEFINE', 'USD',  2,    '2026-01-01', NULL),     -- 11: of a deleted user
    ('b3', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD',  4,    '2026-01-01', NULL),     -- 12: exported, waived and reversed
    ('b4', 1, NULL, 'MAIN', 'OVERDUEFINE', 'USD', 11,    '2026-01-01', NULL);     -- 13: perhaps delivered
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at) SELECT id, 'CHARGED', amount, created_at FROM fines ORDER BY id;
INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES
    (2, 'DISPUTED', 0), (3, 'PAID', -4), (4, 'WAIVED', -6), (11, 'WAIVED', -2);
UPDATE users SET deleted_at = '2026-02-01' WHERE id = 2;

INSERT INTO batches (profile, run_id, dry_run, as_of, import_active, render_options, sftp_connection, output_file_path, file_name,
                     users, fines, totals, skipped, file_size, sha256, built_at, closed_at, released_at, closed_by_run_id) VALUES
    ('STUDENTS', 'run 1', false, '2026-02-01', true, '{}', 'bursar', 'out', 'STUDENTS-1.xml', 1, 4, '{"USD": {"charges": "62", "credits": "0"}}', '{}', 900, 'aa', '2026-02-01', '2026-02-01', NULL, 'run 2'),
    ('STUDENTS', 'run 2', false, '2026-02-02', true, '{}', 'bursar', 'out', 'STUDENTS-2.xml', 1, 1, '{"USD": {"charges": "7", "credits": "0"}}', '{"minimum": {"fines": 1, "users": 1, "net": {"USD": "1"}}}', 300, 'bb', '2026-02-02', NULL, NULL, NULL),
    ('STUDENTS', 'run 3', false, '2026-02-03', true, '{}', 'bursar', 'out', 'STUDENTS-3.xml', 1, 1, '{"KWD": {"charges": "9.125", "credits": "0"}}', '{}', 300, 'cc', '2026-02-03', NULL, NULL, NULL),
    ('STUDENTS', 'run 4', false, '2026-02-04', true, '{}', 'bursar', 'out', 'STUDENTS-4.xml', 1, 1, '{"USD": {"charges": "0", "credits": "4", "reversals": "4"}}', '{}', 300, 'dd', '2026-02-04', '2026-02-04', NULL, NULL),
    ('STUDENTS', 'run 5', true,  '2026-02-05', true, '{}', 'bursar', 'out', 'STUDENTS-5-dry-run.xml', 1, 1, '{"USD": {"charges": "12.50", "credits": "0"}}', '{}', 300, 'ee', '2026-02-05', NULL, '2026-02-05', NULL),
    ('STUDENTS', 'run 6', false, '2026-02-06', true, '{}', 'bursar', 'out', 'STUDENTS-6.xml', 1, 1, '{"USD": {"charges": "12.50", "credits": "0"}}', '{}', NULL, NULL, NULL, NULL, '2026-02-06', NULL),
    ('STUDENTS', 'run 7', false, '2026-02-07', true, '{}', 'bursar', 'out', 'STUDENTS-7.xml', 1, 1, '{"USD": {"charges": "11", "credits": "0"}}', '{}', 300, 'ff', '2026-02-07', NULL, NULL, NULL);
INSERT INTO batch_lines (batch_id, number, transaction_id, reversal, reversed_transaction_id, fine_id, user_id, identifier, patron_name,
                         fine_fee_type, last_transaction_at, currency, amount)
SELECT batch_id, number, transaction_id, reversed IS NOT NULL, reversed, fine_id, fines.user_id, '00000001', 'Beaver, Tim',
       fine_fee_type, created_at, currency, CASE WHEN reversed IS NULL THEN fines.amount ELSE -fines.amount END
FROM (VALUES (1, 1, '1', 5, NULL), (1, 2, '2', 6, NULL), (1, 3, '3', 7, NULL), (1, 4, '4', 12, NULL), (2, 1, '5', 9, NULL),
             (3, 1, '6', 10, NULL), (4, 1, '7', 12, '4'), (5, 1, '8', 1, NULL), (6, 1, '9', 1, NULL), (7, 1, '10', 13, NULL))
     AS line (batch_id, number, transaction_id, fine_id, reversed) JOIN fines ON fines.id = fine_id;
UPDATE transaction_ids SET next = 11;
INSERT INTO closed_partitions (batch_id, partition_number, partition_count, fines) VALUES (1, 0, 2, 2), (1, 1, 2, 2), (4, 0, 1, 1);
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, batch_id)
    SELECT fine_id, 'EXPORTED', -amount, amount, 1 FROM batch_lines WHERE batch_id = 1 ORDER BY number;
INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, reversal_change) VALUES (7, 'PAID', -8, 8), (12, 'WAIVED', -4, 4);
INSERT INTO journal_entries (fine_id, entry_type, reversal_change, batch_id) VALUES (12, 'REVERSED', -4, 4);
INSERT INTO batch_claims (fine_id, batch_id) VALUES (9, 2), (10, 3), (13, 7);

INSERT INTO deliveries (batch_id, kind, run_id, requested_by, upload_started_at, remote_folder, uploaded_at, part_name, unclear_at,
                        delivered_at, confirmed_by) VALUES
    (1, 'first', 'run 1', NULL, '2026-02-01', 'sftp://bursar/out', '2026-02-01', '.STUDENTS-1.xml.1.part', NULL, '2026-02-01', NULL),
    (2, 'first', 'run 2', NULL, '2026-02-02', 'sftp://bursar/out', NULL, NULL, '2026-02-02', '2026-02-02', 'lea'),
    (3, 'first', 'run 3', NULL, '2026-02-03', 'sftp://bursar/out', NULL, NULL, NULL, NULL, NULL),
    (4, 'first', 'run 4', NULL, '2026-02-04', 'sftp://bursar/out', '2026-02-04', '.STUDENTS-4.xml.4.part', NULL, '2026-02-04', NULL),
    (7, 'first', 'run 7', NULL, '2026-02-07', 'sftp://bursar/out', NULL, NULL, '2026-02-07', NULL, NULL),
    (1, 'resend', 'run 8', 'lea', '2026-02-08', 'sftp://bursar/out', '2026-02-08', '.STUDENTS-1.xml.6.part', NULL, '2026-02-08', NULL);
INSERT INTO upload_attempts (delivery_id, part_name, last_block_at, removed_at) VALUES
    (1, '.STUDENTS-1.xml.1.part', '2026-02-01', NULL), (2, '.STUDENTS-2.xml.2.part', '2026-02-02', NULL),
    (3, '.STUDENTS-3.xml.3.part', NULL, '2026-02-03'), (4, '.STUDENTS-4.xml.4.part', '2026-02-04', NULL),
    (5, '.STUDENTS-7.xml.5.part', '2026-02-07', NULL), (6, '.STUDENTS-1.xml.6.part', '2026-02-08', NULL);

INSERT INTO observed_files (profile, name, size, modified) VALUES ('STUDENTS', 'growing.xml', 10, '2026-03-01');
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, rejection, outcomes, read_at,
                          applied_at, applied_by_run_id, rejected_at) VALUES
    ('STUDENTS', 'import 1', 'payments.xml', 500, '2026-03-01', '11', 'incremental', 2, '{"USD": "11"}', NULL,
     '{"PARTLY_PAID": {"records": 1, "sums": {"USD": "10"}, "applied": {"USD": "10"}}, "UNMATCHED": {"records": 1, "sums": {"USD": "1"}, "applied": {}}}',
     '2026-03-01', '2026-03-01', 'import 1', NULL),
    ('STUDENTS', 'import 2', 'broken.xml', 5, '2026-03-02', '22', 'incremental', NULL, NULL, 'line 1: no XML', NULL, NULL, NULL, NULL, '2026-03-02');
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified, archived_at, archived_path) VALUES
    (1, 'STUDENTS', 'import 1', 'payments.xml', 500, '2026-03-01', '2026-03-01', 'archive/payments.xml'),
    (2, 'STUDENTS', 'import 2', 'broken.xml', 5, '2026-03-02', NULL, NULL);
INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum, amount, fine_id, matched_id, outcome, applied, reason) VALUES
    (1, 1, 3, '2', 'USD', '10', 10, 6, '2', 'PARTLY_PAID', 10, NULL),
    (1, 2, 7, '99', 'USD', '1', 1, NULL, NULL, 'UNMATCHED', NULL, 'no exported fine has this id');
INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, import_file_id, import_record) VALUES (6, 'PAID_AT_BURSAR', -10, 1, 1);

INSERT INTO maintenance_jobs (job, run_id, params, dry_run, as_of, users, fines, totals, skipped, started_at, ended_at) VALUES
    ('purge', 'purge 1', '{}', false, '2026-02-01', 1, 1, '{"USD": {"charges": "2", "credits": "0"}}', '{}', '2026-02-01', '2026-02-01');
INSERT INTO maintenance_job_results (job_id, user_id, fine_id, reason) VALUES (1, 2, NULL, NULL), (1, 1, NULL, 'outstanding');
INSERT INTO run_reports (job, profile, run_id, dry_run, as_of, started_at, ended_at, outcome, files, users, fines, totals, skipped,
                         rejects, task_timings, messages) VALUES
    ('export', 'STUDENTS', 'run 1', false, '2026-02-01', '2026-02-01', '2026-02-01', 'completed', '{STUDENTS-1.xml}', 1, 4, '{"USD": {"charges": "62", "credits": "0"}}',
     '{}', '{}', '{"select_fines": 1.5}', '{}');
INSERT INTO task_timings (job, profile, run_id, task, map_key, started_at, seconds) VALUES
    ('export', 'STUDENTS', 'run 1', 'select_fines', '', '2026-02-01', 1.5);
INSERT INTO sent_notifications (dedup_key, recipient) VALUES ('export STUDENTS run 1', 'lea@library.edu');
INSERT INTO monitored_jobs (job, profile, monitored_since) VALUES ('export', 'STUDENTS', '2026-01-01');
INSERT INTO approvals (batch_id, reasons, times_asked, answer, answered_by, answered_at) VALUES
    (1, '{"4 fines: more than the limit of 3."}', 1, 'approved', 'lea', '2026-02-01');
