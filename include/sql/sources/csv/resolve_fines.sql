-- requires: incoming_fines, known_currencies, staged_fines
-- Parses the values of a file of fines, finds the known fines and users, and determines the outcome of each line. Amounts
-- are rounded to the decimals of their currency. A known fine that has more decimals, from an earlier version, keeps
-- them. A blank balance is the whole amount of a new fine, and leaves a known one unchanged.
INSERT INTO incoming_fines (line, source_id, first_line, user_id, known_id, decimals, amount, balance, currency,
                            created_at, item_due_date, vat, outcome, is_rounded)
SELECT line, source_id, first_line, user_id, known_id, decimals, amount, balance, currency, created_at, item_due_date, vat,
       outcome, CASE outcome
           WHEN 'added' THEN coalesce(amount <> exact_amount, false) OR coalesce(balance <> exact_balance, false)
                             OR coalesce(vat <> exact_vat, false)
           WHEN 'paid_down' THEN coalesce(balance <> exact_balance, false)
           ELSE false
       END
FROM (
    SELECT *, CASE
               WHEN known_id IS NULL THEN 'added'
               WHEN known_balance = 0 THEN 'settled'
               WHEN known_balance = balance THEN 'unchanged'
               ELSE 'paid_down'
           END AS outcome
    FROM (
        SELECT given.line, given.fine_id AS source_id, min(line) OVER (PARTITION BY given.fine_id) AS first_line,
               identifiers.user_id, known.id AS known_id, known.balance AS known_balance, known_currencies.decimals,
               pg_temp.as_money(given.amount, accepted.decimals) AS amount,
               CASE WHEN given.balance IS NOT NULL THEN pg_temp.as_money(given.balance, accepted.decimals)
                    WHEN known.id IS NOT NULL THEN known.balance
                    ELSE pg_temp.as_money(given.amount, accepted.decimals) END AS balance,
               coalesce(given.currency, CAST(:currency AS text)) AS currency,
               pg_temp.as_moment(given.created_at, CAST(:time_zone AS text)) AS created_at,
               pg_temp.as_moment(given.item_due_date, CAST(:time_zone AS text)) AS item_due_date,
               pg_temp.as_money(given.vat, accepted.decimals) AS vat,
               pg_temp.as_money(given.amount, 100) AS exact_amount,
               pg_temp.as_money(given.balance, 100) AS exact_balance,
               pg_temp.as_money(given.vat, 100) AS exact_vat
        FROM staged_fines AS given
        LEFT JOIN identifiers ON identifiers.type = 'userName' AND identifiers.value = given.primary_id
        LEFT JOIN fines AS known ON known.source_id = given.fine_id
        LEFT JOIN known_currencies ON known_currencies.code = coalesce(given.currency, CAST(:currency AS text))
        CROSS JOIN LATERAL (VALUES (CASE
            WHEN known.amount <> round(known.amount, known_currencies.decimals)
                 OR known.balance <> round(known.balance, known_currencies.decimals) THEN 3
            ELSE coalesce(known_currencies.decimals, 3) END)) AS accepted (decimals)
        WHERE given.fault_reason IS NULL
    ) AS parsed
) AS parsed;
