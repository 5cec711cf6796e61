-- A ledger for the bench: bench.fines of which an export takes every one, and bench.closed that are paid long since. Needs
-- the right to disable triggers: the balances are written beside the journal that they follow from.
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;

INSERT INTO user_groups (code, name)
VALUES ('UNDERGRADUATE', 'Undergraduate student'), ('GRADUATE', 'Graduate student'), ('STAFF', 'Staff');
INSERT INTO libraries (code, id, name)
VALUES ('MAIN', '215300410007101', 'Main Library'), ('LAW', '215300420007101', 'Law Library'),
       ('SCI', '215300430007101', 'Science & Engineering Library');

-- Three fines a user; consecutive fines belong to distant users, as in practice.
CREATE TEMPORARY TABLE sizes ON COMMIT DROP AS
SELECT fines, closed, greatest((fines + closed) / 3, least(fines + closed, 1)) AS users
FROM (SELECT CAST(current_setting('bench.fines') AS bigint) AS fines,
             CAST(current_setting('bench.closed') AS bigint) AS closed) AS asked;

-- A thousand of them are due for a purge.
INSERT INTO users (last_name, first_name, user_group, purge_date)
SELECT (ARRAY['Okonkwo', 'Nguyễn', 'O''Brien & Sons', 'García Márquez', 'Ødegård', 'Smith', 'Иванова', '王'])[1 + n % 8] || n % 977,
       (ARRAY['Ada', 'Ben', 'Chi', 'Dana', 'Émile', 'Fatima', ''])[1 + n % 7],
       (ARRAY['UNDERGRADUATE', 'UNDERGRADUATE', 'GRADUATE', 'STAFF'])[1 + n % 4],
       CASE WHEN n <= 1000 THEN date '2026-06-30' ELSE date '2031-06-30' END
FROM sizes, generate_series(1, users) AS n;
INSERT INTO identifiers (user_id, type, value)
SELECT id, type, CASE type WHEN 'userName' THEN 'user' || id ELSE lpad(id::text, 8, '0') END
FROM users, unnest(ARRAY['userName', '02']) AS type;

INSERT INTO items (barcode, title, call_number, library, location, internal_location)
SELECT '39031' || 100000000 + n,
       (ARRAY['Middlemarch /', 'Преступление и наказание : роман в шести частях', 'Q & A : if x < y && y > z, then "why?"',
              'On the origin of species by means of natural selection /', '红楼梦 : 一百二十回',
              'Encyclopædia of' || chr(10) || 'line breaks', 'Machine' || chr(1) || 'readable cataloguing /',
              'The art of computer programming. Volume 4A, Combinatorial algorithms'])[1 + n % 8],
       CASE WHEN n % 50 <> 0 THEN 'QA' || n % 900 || ' .M' || n % 89 END,
       (ARRAY['MAIN', 'MAIN', 'LAW', 'SCI'])[1 + n % 4], 'Stacks', CASE WHEN n % 20 <> 0 THEN 'Floor ' || n % 9 END
FROM sizes, generate_series(1, fines + closed) AS n;

INSERT INTO fines (user_id, item_id, owner_library, fine_fee_type, currency, amount, vat, comment, item_due_date, created_at,
                   status, balance, last_transaction_at)
SELECT 1 + (n * 7919) % users, CASE WHEN n % 7 <> 0 THEN n END,
       CASE WHEN n % 7 <> 0 THEN (ARRAY['MAIN', 'MAIN', 'LAW', 'SCI'])[1 + n % 4] END,
       CASE WHEN n % 7 = 0 THEN 'LIBRARYCARDREPLACEMENT' WHEN n % 40 = 1 THEN 'CREDIT' ELSE 'OVERDUEFINE' END, 'USD',
       money.amount, CASE WHEN n % 30 = 0 THEN 0.35 END, CASE WHEN n % 9 = 0 THEN 'water damage <p. ' || n % 300 || '>' END,
       CASE WHEN n % 3 <> 0 THEN moment.created - interval '9 days' END, moment.created,
       CASE WHEN n > closed THEN 'ACTIVE' ELSE 'CLOSED' END, CASE WHEN n > closed THEN money.amount ELSE 0 END, moment.created
FROM sizes, generate_series(1, fines + closed) AS n,
     LATERAL (SELECT CASE WHEN n % 7 = 0 THEN 15 WHEN n % 40 = 1 THEN -(1 + n % 13 * 0.25) ELSE 0.25 + n % 160 * 0.25 END AS amount) AS money,
     LATERAL (SELECT timestamptz '2024-09-01 08:00 UTC' + n * 6 % 60000000 * interval '1 second' AS created) AS moment;

INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at)
SELECT id, 'CHARGED', amount, created_at FROM fines
UNION ALL
SELECT id, 'PAID', -amount, created_at + interval '5 days' FROM fines WHERE balance = 0;
