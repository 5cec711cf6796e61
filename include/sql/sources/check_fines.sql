-- requires: incoming_fines, row_messages, staged_fines
-- Rejects the rows of fines that are wrong in themselves, or against the users, libraries and fines of the ledger.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', fault ->> 0, 'fines', line, fine_id, fault ->> 1, fault ->> 2, fault ->> 3, fault ->> 4
FROM (
    SELECT given.line, given.fine_id, array_remove(ARRAY[
        CASE WHEN given.fine_id IS NULL THEN pg_temp.fault('missing', 'fine_id', NULL, 'fine_id is missing', 'fill it in')
             WHEN incoming.is_new AND EXISTS (SELECT FROM fines
                                              WHERE fines.source_id = given.fine_id AND (:source = '' OR fines.source = ''))
             THEN pg_temp.fault('other_source', 'fine_id', given.fine_id,
                                format('fine_id %s is in the ledger from another source', to_json(left(given.fine_id, 60))),
                                'load it through that source; if it is another fine, give it another id') END,
        CASE WHEN incoming.user_id IS NULL
                  AND NOT EXISTS (SELECT FROM fines JOIN users ON users.id = fines.user_id
                                  WHERE fines.id = incoming.fine_id AND users.deleted_at IS NOT NULL) THEN
            CASE WHEN given.user_id IS NOT NULL
                 THEN pg_temp.fault('unknown_user', 'user_id', given.user_id,
                                    format('there is no user with user_id %s', to_json(left(given.user_id, 60))),
                                    'load that user; perhaps the row of the user was rejected')
                 WHEN given.primary_id IS NULL
                 THEN pg_temp.fault('missing', 'primary_id', NULL, 'primary_id is missing', 'fill it in')
                 ELSE pg_temp.fault('unknown_user', 'primary_id', given.primary_id,
                                    format('there is no user with primary_id %s', to_json(left(given.primary_id, 60))),
                                    'load that user; perhaps the row of the user was rejected') END END,
        CASE WHEN given.fine_fee_type IS NULL
             THEN pg_temp.fault('missing', 'fine_fee_type', NULL, 'fine_fee_type is missing', 'fill it in') END,
        CASE WHEN given.amount IS NULL THEN pg_temp.fault('missing', 'amount', NULL, 'amount is missing', 'fill it in')
             WHEN incoming.amount IS NULL
             THEN pg_temp.fault('malformed', 'amount', given.amount,
                                format('amount %s is not a sum such as 12.50', to_json(left(given.amount, 60))),
                                'correct it, or name the decimal sign in the dialect of the source')
             WHEN incoming.amount = 0 AND incoming.is_new AND given.amount ~ '[1-9]'
             THEN pg_temp.fault('zero_amount', 'amount', given.amount,
                                format('amount %s is rounded to 0, since %s has %s decimals', given.amount, incoming.currency,
                                       incoming.decimals), 'leave the line out')
             WHEN incoming.amount = 0 AND incoming.is_new
             THEN pg_temp.fault('zero_amount', 'amount', given.amount, 'amount is 0', 'nothing: there is nothing to bill')
             WHEN incoming.amount > 0 AND given.fine_fee_type = 'CREDIT'
             THEN pg_temp.fault('contradictory', 'amount', given.amount,
                                format('amount %s of a CREDIT has to be negative', given.amount), 'correct it')
             WHEN incoming.amount < 0 AND given.fine_fee_type <> 'CREDIT'
             THEN pg_temp.fault('contradictory', 'amount', given.amount,
                                format('amount %s is negative, but the fine_fee_type is not CREDIT', given.amount), 'correct one of them')
             WHEN incoming.known_amount * incoming.amount < 0
             THEN pg_temp.fault('contradictory', 'amount', given.amount,
                                format('amount %s has another sign than the fine in the ledger', given.amount),
                                'give a new charge or credit a fine_id of its own') END,
        CASE WHEN given.balance IS NULL THEN NULL
             WHEN incoming.balance IS NULL
             THEN pg_temp.fault('malformed', 'balance', given.balance,
                                format('balance %s is not a sum such as 12.50', to_json(left(given.balance, 60))),
                                'correct it, or name the decimal sign in the dialect of the source')
             WHEN incoming.balance * incoming.amount < 0 OR abs(incoming.balance) > abs(incoming.amount)
             THEN pg_temp.fault('contradictory', 'balance', given.balance,
                                format('balance %s is not between 0 and the amount %s', given.balance, given.amount),
                                'correct one of them') END,
        CASE WHEN incoming.currency !~ '^[A-Z]{3}$'
             THEN pg_temp.fault('malformed', 'currency', given.currency,
                                format('currency %s is not written in three capital letters, such as EUR',
                                       to_json(left(given.currency, 60))), 'correct it')
             WHEN incoming.decimals IS NULL AND incoming.is_new
             THEN pg_temp.fault('malformed', 'currency', given.currency, format('currency %s is unknown', incoming.currency),
                                'write its code of ISO 4217, such as EUR')
             WHEN incoming.known_currency <> incoming.currency
             THEN pg_temp.fault('contradictory', 'currency', given.currency,
                                format('currency %s is not that of the fine in the ledger, %s', incoming.currency, incoming.known_currency),
                                'give a fine in another currency a fine_id of its own') END,
        CASE WHEN given.created_at IS NULL
             THEN pg_temp.fault('missing', 'created_at', NULL, 'created_at is missing', 'fill it in')
             WHEN incoming.created_at IS NULL
             THEN pg_temp.fault('malformed', 'created_at', given.created_at,
                                format('created_at %s is not a moment such as 2026-09-30T16:45:00',
                                       to_json(left(given.created_at, 60))), 'correct it') END,
        CASE WHEN incoming.item_due_date IS NULL AND given.item_due_date IS NOT NULL
             THEN pg_temp.fault('malformed', 'item_due_date', given.item_due_date,
                                format('item_due_date %s is not a moment such as 2026-09-30T16:45:00',
                                       to_json(left(given.item_due_date, 60))), 'correct it') END,
        CASE WHEN incoming.vat IS NULL AND given.vat IS NOT NULL
             THEN pg_temp.fault('malformed', 'vat', given.vat,
                                format('vat %s is not a sum such as 12.50', to_json(left(given.vat, 60))), 'correct it') END,
        CASE WHEN given.owner_library IS NOT NULL AND given.owner_library NOT IN (SELECT code FROM libraries)
             THEN pg_temp.fault('unknown_library', 'owner_library', given.owner_library,
                                format('owner_library %s is unknown', to_json(left(given.owner_library, 60))),
                                'name it in the file of libraries') END,
        CASE WHEN given.item_library IS NOT NULL AND given.item_library NOT IN (SELECT code FROM libraries)
             THEN pg_temp.fault('unknown_library', 'item_library', given.item_library,
                                format('item_library %s is unknown', to_json(left(given.item_library, 60))),
                                'name it in the file of libraries') END,
        CASE WHEN given.item_barcode IS NULL
                  AND num_nonnulls(given.item_title, given.item_call_number, given.item_library, given.item_location,
                                    given.item_internal_location, given.item_due_date) > 0
             THEN pg_temp.fault('missing', 'item_barcode', NULL, 'item_barcode is missing, but other columns describe an item',
                                'fill it in') END,
        CASE WHEN given.status NOT IN ('open', 'accruing', 'disputed', 'suspended', 'cancelled')
             THEN pg_temp.fault('malformed', 'status', given.status,
                                format('status %s is none', to_json(left(given.status, 60))),
                                'write open, accruing, disputed, suspended or cancelled') END,
        CASE WHEN given.settled_as NOT IN ('paid', 'waived', 'cancelled')
             THEN pg_temp.fault('malformed', 'settled_as', given.settled_as,
                                format('settled_as %s is none', to_json(left(given.settled_as, 60))),
                                'write paid, waived or cancelled') END
    ], NULL) AS faults
    FROM staged_fines AS given JOIN incoming_fines AS incoming ON incoming.line = given.line
    OFFSET 0    -- so that only the faults of wrong rows are unnested
) AS checked
CROSS JOIN LATERAL unnest(faults) AS fault
WHERE faults <> '{}';
