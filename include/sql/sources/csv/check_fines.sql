-- requires: incoming_fines, row_errors, staged_fines, staged_users
-- Finds the errors in a file of fines: in the lines themselves, against the users, libraries and charges that they
-- name, and against the fines that the ledger knows, which are never billed again and never grow.
INSERT INTO row_errors (file, line, message)
SELECT :file, line, concat_ws(' ', fault_field, to_json(fault_value), fault_reason) || '; ' || fault_remedy
FROM staged_fines WHERE fault_reason IS NOT NULL
UNION ALL
SELECT :file, given.line, unnest(array_remove(ARRAY[
    CASE WHEN given.fine_id IS NULL THEN 'fine_id is missing' END,
    CASE WHEN incoming.first_line < given.line AND given.fine_id IS NOT NULL
         THEN format('fine_id %s is on line %s already', to_json(left(given.fine_id, 60)), incoming.first_line) END,
    CASE WHEN given.primary_id IS NULL THEN 'primary_id is missing' END,
    -- A users file with errors hides users; it has to be corrected first.
    CASE WHEN given.primary_id IS NOT NULL AND incoming.user_id IS NULL AND known_user.deleted_at IS NULL
              AND given.primary_id NOT IN (SELECT primary_id FROM staged_users WHERE primary_id IS NOT NULL)
              AND NOT EXISTS (SELECT FROM staged_users WHERE fault_reason IS NOT NULL)
         THEN format('there is no user with primary_id %s', to_json(left(given.primary_id, 60))) END,
    CASE WHEN given.fine_fee_type IS NULL THEN 'fine_fee_type is missing' END,
    CASE WHEN given.amount IS NULL THEN 'amount is missing'
         WHEN incoming.amount IS NULL
         THEN format('amount %s is not a sum such as 12.50', to_json(left(given.amount, 60)))
         WHEN incoming.amount = 0 AND given.amount ~ '[1-9]'
         THEN format('amount %s is rounded to 0, since %s has %s decimals; leave the line out', given.amount,
                      incoming.currency, incoming.decimals)
         WHEN incoming.amount = 0 THEN 'amount is 0'
         WHEN incoming.amount > 0 AND given.fine_fee_type = 'CREDIT'
         THEN format('amount %s of a CREDIT has to be negative', given.amount)
         WHEN incoming.amount < 0 AND given.fine_fee_type <> 'CREDIT'
         THEN format('amount %s is negative, but the fine_fee_type is not CREDIT', given.amount) END,
    CASE WHEN given.balance IS NULL THEN NULL
         WHEN incoming.balance IS NULL
         THEN format('balance %s is not a sum such as 12.50', to_json(left(given.balance, 60)))
         WHEN incoming.balance * incoming.amount < 0 OR abs(incoming.balance) > abs(incoming.amount)
         THEN format('balance %s is not between 0 and the amount %s', given.balance, given.amount) END,
    CASE WHEN incoming.currency !~ '^[A-Z]{3}$'
         THEN format('currency %s is not written in three capital letters, such as EUR',
                      to_json(left(given.currency, 60)))
         WHEN incoming.decimals IS NULL AND incoming.known_id IS NULL
         THEN format('currency %s is unknown; write its code of ISO 4217, such as EUR', incoming.currency) END,
    CASE WHEN given.created_at IS NULL THEN 'created_at is missing'
         WHEN incoming.created_at IS NULL
         THEN format('created_at %s is not a moment such as 2026-09-30T16:45:00', to_json(left(given.created_at, 60)))
         WHEN incoming.created_at > now()
         THEN format('created_at %s lies in the future; without an offset it is read in time zone %s',
                      given.created_at, CAST(:time_zone AS text)) END,
    CASE WHEN incoming.item_due_date IS NULL AND given.item_due_date IS NOT NULL
         THEN format('item_due_date %s is not a moment such as 2026-09-30T16:45:00',
                      to_json(left(given.item_due_date, 60))) END,
    CASE WHEN incoming.vat IS NULL AND given.vat IS NOT NULL
         THEN format('vat %s is not a sum such as 12.50', to_json(left(given.vat, 60))) END,
    CASE WHEN given.owner_library IS NOT NULL AND given.owner_library NOT IN (SELECT code FROM libraries)
         THEN format('owner_library %s is unknown; name it in the file of libraries',
                      to_json(left(given.owner_library, 60))) END,
    CASE WHEN given.item_library IS NOT NULL AND given.item_library NOT IN (SELECT code FROM libraries)
         THEN format('item_library %s is unknown; name it in the file of libraries',
                      to_json(left(given.item_library, 60))) END,
    CASE WHEN given.item_barcode IS NULL
              AND num_nonnulls(given.item_title, given.item_call_number, given.item_library, given.item_location,
                                given.item_internal_location, given.item_due_date) > 0
         THEN 'item_barcode is missing, but other columns describe an item' END,
    CASE WHEN given.reverses IS NULL THEN NULL
         WHEN given.fine_fee_type <> 'CREDIT' THEN 'reverses is for a CREDIT only'
         WHEN new_charge.line IS NULL AND old_charge.id IS NULL
         THEN format('reverses %s, but there is no such fine', to_json(left(given.reverses, 60)))
         WHEN coalesce(new_charge.amount, old_charge.amount) < 0
         THEN format('reverses %s, but that is a credit itself', to_json(left(given.reverses, 60)))
         WHEN coalesce(new_charge.currency, old_charge.currency) <> incoming.currency
              OR new_charge_given.primary_id <> given.primary_id
              OR new_charge.line IS NULL AND old_charge.user_id IS DISTINCT FROM incoming.user_id
         THEN format('reverses %s, but that is of another user or currency', to_json(left(given.reverses, 60))) END,
    CASE WHEN differing.columns <> ''
         THEN format('fine_id %s is in the ledger with another %s; that is fixed when a fine is created',
                      to_json(left(given.fine_id, 60)), differing.columns) END,
    CASE WHEN incoming.outcome <> 'paid_down' THEN NULL
         WHEN batch_claims.batch_id IS NOT NULL
         THEN format('balance %s differs from the %s in the ledger, and the fine is on its way to the bursar in '
                     'batch %s; load again when that export has ended', given.balance,
                     to_char(known.balance, 'FM99999999990.009'), batch_claims.batch_id)
         WHEN abs(incoming.balance) > abs(known.balance)
         THEN format('balance %s is more than the %s that is open in the ledger', given.balance,
                     to_char(known.balance, 'FM99999999990.009')) END
], NULL))
FROM staged_fines AS given
JOIN incoming_fines AS incoming ON incoming.line = given.line
LEFT JOIN fines AS known ON known.id = incoming.known_id
LEFT JOIN users AS known_user ON known_user.id = known.user_id
LEFT JOIN batch_claims ON batch_claims.fine_id = known.id AND NOT batch_claims.reversal
LEFT JOIN incoming_fines AS new_charge
       ON new_charge.source_id = given.reverses AND new_charge.line = new_charge.first_line
LEFT JOIN staged_fines AS new_charge_given ON new_charge_given.line = new_charge.line
LEFT JOIN fines AS old_charge ON old_charge.source_id = given.reverses
CROSS JOIN LATERAL (VALUES (CASE WHEN known.id IS NOT NULL THEN concat_ws(', ',
    CASE WHEN known.user_id IS DISTINCT FROM incoming.user_id AND known_user.deleted_at IS NULL THEN 'user' END,
    CASE WHEN known.fine_fee_type <> given.fine_fee_type THEN 'fine_fee_type' END,
    CASE WHEN known.amount <> incoming.amount THEN 'amount' END,
    CASE WHEN known.currency <> incoming.currency THEN 'currency' END,
    CASE WHEN known.owner_library IS DISTINCT FROM given.owner_library THEN 'owner_library' END)
    END)) AS differing (columns);
