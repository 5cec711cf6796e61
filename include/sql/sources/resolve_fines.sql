-- requires: incoming_fines, known_currencies, staged_fines
-- Parses the values of a file of fines, finds the known fines and users, and whether the source says something new. Amounts are
-- rounded to the decimals of their currency. A known fine that has more decimals, from an earlier version, keeps them. A blank
-- balance is the whole amount of a new fine, and says nothing about a known one.
INSERT INTO incoming_fines (line, source_id, user_id, fine_id, is_new, is_changed, decimals, amount, balance, currency, created_at,
                            item_due_date, vat, is_rounded, fine_fee_type, owner_library, item_barcode, comment, status, reverses,
                            known_amount, known_currency, differs)
SELECT line, source_id, user_id, known_id, known_id IS NULL,
       known_id IS NOT NULL AND coalesce(amount IS DISTINCT FROM source_amount OR source_balance IS NULL
                                         OR balance <> source_balance OR status <> coalesce(source_status, 'open')
                                         OR known_user_id <> user_id, false),
       decimals, amount, coalesce(balance, CASE WHEN known_id IS NULL AND given_balance IS NULL THEN amount END),
       currency, created_at, item_due_date, round(exact_vat, kept_decimals),
       coalesce(known_id IS NULL OR amount <> source_amount OR balance <> source_balance, false)
           AND (coalesce(amount <> exact_amount, false) OR coalesce(balance <> exact_balance, false)
                OR coalesce(exact_vat <> round(exact_vat, kept_decimals), false)),
       fine_fee_type, owner_library, item_barcode, comment, status, reverses, known_amount, known_currency,
       known_id IS NOT NULL AND (known_owner_library, known_fine_fee_type, known_created_at)
                                IS DISTINCT FROM (owner_library, fine_fee_type, created_at)
FROM (
    SELECT parsed.*, round(exact_amount, kept_decimals) AS amount, round(exact_balance, kept_decimals) AS balance
    FROM (
        SELECT given.line, given.fine_id AS source_id, coalesce(by_id.user_id, by_name.user_id) AS user_id, known.id AS known_id,
               known.user_id AS known_user_id, known.source_amount, known.source_balance, known.source_status,
               known.amount AS known_amount, known.currency AS known_currency, known.owner_library AS known_owner_library,
               known.fine_fee_type AS known_fine_fee_type, known.created_at AS known_created_at,
               known_currencies.decimals, given.balance AS given_balance, given.status, given.fine_fee_type, given.owner_library,
               given.item_barcode, given.comment, given.reverses,
               coalesce(given.currency, CAST(:currency AS text)) AS currency,
               CASE WHEN known.amount <> round(known.amount, known_currencies.decimals)
                         OR known.balance <> round(known.balance, known_currencies.decimals) THEN 3
                    ELSE coalesce(known_currencies.decimals, 3) END AS kept_decimals,
               pg_temp.as_money(given.amount) * unit AS exact_amount,
               pg_temp.as_money(given.balance) * unit AS exact_balance,
               pg_temp.as_money(given.vat) * unit AS exact_vat,
               pg_temp.as_moment(given.created_at, CAST(:time_zone AS text)) AS created_at,
               pg_temp.as_moment(given.item_due_date, CAST(:time_zone AS text)) AS item_due_date
        FROM staged_fines AS given
        LEFT JOIN identifiers AS by_id ON by_id.type = :id_type AND by_id.value = given.user_id
        LEFT JOIN identifiers AS by_name
               ON by_name.type = 'userName' AND by_name.value = given.primary_id AND given.user_id IS NULL
        LEFT JOIN fines AS known ON known.source_id = given.fine_id AND known.source = :source
        LEFT JOIN known_currencies ON known_currencies.code = coalesce(given.currency, CAST(:currency AS text))
        CROSS JOIN LATERAL (VALUES (
            CASE WHEN CAST(:minor_units AS boolean) THEN power(10.0, -known_currencies.decimals) ELSE 1 END)) AS units (unit)
        WHERE given.fault_reason IS NULL
        OFFSET 0    -- so that each value is parsed once
    ) AS parsed
    OFFSET 0
) AS rounded;
