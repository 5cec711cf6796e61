-- requires: incoming_fines, staged_fines
-- Parses the values of a file of fines, finds the known fines and users, and determines the outcome of each line. A
-- blank balance is the whole amount of a new fine, and leaves a known one unchanged.
INSERT INTO incoming_fines (line, source_id, first_line, user_id, known_id, amount, balance, currency, created_at,
                            item_due_date, vat, outcome)
SELECT line, fine_id, first_line, user_id, known_id, amount, balance, currency, created_at, item_due_date, vat, CASE
           WHEN known_id IS NULL THEN 'added'
           WHEN known_balance = 0 THEN 'settled'
           WHEN known_balance = balance THEN 'unchanged'
           ELSE 'paid_down'
       END
FROM (
    SELECT given.line, given.fine_id, min(line) OVER (PARTITION BY given.fine_id) AS first_line, identifiers.user_id,
           known.id AS known_id, known.balance AS known_balance, pg_temp.as_money(given.amount) AS amount,
           CASE WHEN given.balance IS NOT NULL THEN pg_temp.as_money(given.balance)
                WHEN known.id IS NOT NULL THEN known.balance
                ELSE pg_temp.as_money(given.amount) END AS balance,
           coalesce(given.currency, CAST(:currency AS text)) AS currency,
           pg_temp.as_moment(given.created_at, CAST(:time_zone AS text)) AS created_at,
           pg_temp.as_moment(given.item_due_date, CAST(:time_zone AS text)) AS item_due_date,
           pg_temp.as_money(given.vat) AS vat
    FROM staged_fines AS given
    LEFT JOIN identifiers ON identifiers.type = 'userName' AND identifiers.value = given.primary_id
    LEFT JOIN fines AS known ON known.source_id = given.fine_id
    WHERE given.fault IS NULL
) AS read;
