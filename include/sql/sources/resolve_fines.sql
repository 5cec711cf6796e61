-- requires: incoming_fines, known_currencies, staged_fines
-- Parses the values of a file of fines, finds the known fines and users, and whether the source says something new. Amounts are
-- rounded to the decimals of their currency. A known fine that has more decimals, from an earlier version, keeps them. A blank
-- balance is the whole amount of a new fine, and says nothing about a known one.
INSERT INTO incoming_fines (line, source_id, user_id, fine_id, is_new, is_changed, decimals, amount, balance, currency, created_at,
                            item_due_date, vat, is_rounded)
SELECT line, source_id, user_id, known_id, known_id IS NULL,
       known_id IS NOT NULL AND coalesce(amount IS DISTINCT FROM source_amount OR source_balance IS NULL
                                         OR balance <> source_balance OR status <> coalesce(source_status, 'open')
                                         OR known_user_id <> user_id, false),
       decimals, amount, coalesce(balance, CASE WHEN known_id IS NULL AND given_balance IS NULL THEN amount END),
       currency, created_at, item_due_date, vat,
       coalesce(known_id IS NULL OR amount <> source_amount OR balance <> source_balance, false)
           AND (coalesce(amount <> exact_amount, false) OR coalesce(balance <> exact_balance, false)
                OR coalesce(vat <> exact_vat, false))
FROM (
    SELECT given.line, given.fine_id AS source_id, coalesce(by_id.user_id, by_name.user_id) AS user_id, known.id AS known_id,
           known.user_id AS known_user_id, known.source_amount, known.source_balance, known.source_status,
           known_currencies.decimals, given.balance AS given_balance, given.status,
           pg_temp.as_money(given.amount, accepted.decimals) AS amount,
           pg_temp.as_money(given.balance, accepted.decimals) AS balance,
           coalesce(given.currency, CAST(:currency AS text)) AS currency,
           pg_temp.as_moment(given.created_at, CAST(:time_zone AS text)) AS created_at,
           pg_temp.as_moment(given.item_due_date, CAST(:time_zone AS text)) AS item_due_date,
           pg_temp.as_money(given.vat, accepted.decimals) AS vat,
           pg_temp.as_money(given.amount, 100) AS exact_amount,
           pg_temp.as_money(given.balance, 100) AS exact_balance,
           pg_temp.as_money(given.vat, 100) AS exact_vat
    FROM staged_fines AS given
    LEFT JOIN identifiers AS by_id ON by_id.type = :id_type AND by_id.value = given.user_id
    LEFT JOIN identifiers AS by_name
           ON by_name.type = 'userName' AND by_name.value = given.primary_id AND given.user_id IS NULL
    LEFT JOIN fines AS known ON known.source_id = given.fine_id AND known.source = :source
    LEFT JOIN known_currencies ON known_currencies.code = coalesce(given.currency, CAST(:currency AS text))
    CROSS JOIN LATERAL (VALUES (CASE
        WHEN known.amount <> round(known.amount, known_currencies.decimals)
             OR known.balance <> round(known.balance, known_currencies.decimals) THEN 3
        ELSE coalesce(known_currencies.decimals, 3) END)) AS accepted (decimals)
    WHERE given.fault_reason IS NULL
) AS parsed;
