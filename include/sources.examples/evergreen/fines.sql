-- Evergreen: transactions with a balance, and those that changed in 30 days. A balance below 0 is a credit of its own.
-- psql --csv --file=fines.sql --output=fines.csv
WITH changed AS (
    SELECT xact FROM money.billing
    WHERE create_date > now() - interval '30 days' OR void_time > now() - interval '30 days'
    UNION SELECT xact FROM money.payment WHERE payment_ts > now() - interval '30 days'
), wanted AS (
    SELECT id, usr, balance_owed FROM money.materialized_billable_xact_summary
    WHERE balance_owed <> 0 OR id IN (SELECT xact FROM changed)
), billed AS ( -- with voided billings: what is voided lowers the balance, not the amount
    SELECT xact, sum(amount) AS amount, min(create_date) AS created_at, max(void_time) AS voided_at,
           bool_and(voided) AS is_void
    FROM money.billing WHERE xact IN (SELECT id FROM wanted) GROUP BY xact
), fees AS (
    SELECT DISTINCT ON (xact) xact, billing_type
    FROM (SELECT xact, billing_type, sum(amount) AS amount, min(id) AS first_id
          FROM money.billing WHERE xact IN (SELECT id FROM wanted) GROUP BY xact, billing_type) AS sums
    ORDER BY xact, amount DESC, first_id
), paid AS (
    SELECT DISTINCT ON (xact) xact, payment_type, payment_ts
    FROM money.payment_view WHERE NOT voided AND xact IN (SELECT id FROM wanted)
    ORDER BY xact, payment_ts DESC, id DESC
), fines AS (
    SELECT wanted.id, wanted.usr AS user_id, fees.billing_type, billed.amount, wanted.balance_owed, billed.created_at,
           CASE WHEN billed.is_void AND wanted.balance_owed = 0 THEN 'cancelled'
                WHEN circulation.stop_fines = 'CLAIMSRETURNED' THEN 'suspended'
                WHEN circulation.id IS NOT NULL AND circulation.stop_fines IS NULL THEN 'accruing' -- grows every night
                ELSE 'open' END AS status,
           CASE WHEN wanted.balance_owed < 0 THEN 'paid'
                WHEN billed.voided_at > coalesce(paid.payment_ts, '-infinity') THEN 'cancelled'
                WHEN paid.payment_type = 'account_adjustment' THEN 'cancelled'
                WHEN paid.payment_type IN ('forgive_payment', 'goods_payment', 'work_payment') THEN 'waived'
                ELSE 'paid' END AS settled_as,
           owner.shortname AS owner_library, item.barcode AS item_barcode,
           (SELECT min(entry.value) FROM metabib.display_entry AS entry
            JOIN config.display_field_map AS map ON map.field = entry.field AND map.name = 'title'
            WHERE entry.source = call_number.record) AS item_title,
           CASE WHEN call_number.id > 0 THEN call_number.label END AS item_call_number,
           holder.shortname AS item_library, CASE WHEN item.id IS NOT NULL THEN circulation.due_date END AS item_due_date
    FROM wanted
    JOIN billed ON billed.xact = wanted.id
    JOIN fees ON fees.xact = wanted.id
    LEFT JOIN paid ON paid.xact = wanted.id
    LEFT JOIN action.circulation AS circulation ON circulation.id = wanted.id
    LEFT JOIN money.grocery AS grocery ON grocery.id = wanted.id
    LEFT JOIN booking.reservation AS reservation ON reservation.id = wanted.id
    LEFT JOIN actor.org_unit AS owner
           ON owner.id = coalesce(circulation.circ_lib, grocery.billing_location, reservation.pickup_lib)
    LEFT JOIN asset.copy AS item ON item.id = circulation.target_copy
    LEFT JOIN asset.call_number AS call_number ON call_number.id = item.call_number
    LEFT JOIN actor.org_unit AS holder ON holder.id = item.circ_lib
)
SELECT CAST(id AS text) AS fine_id, user_id, billing_type AS fine_fee_type, amount, greatest(balance_owed, 0) AS balance, created_at,
       status, settled_as, NULL AS reverses, owner_library, item_barcode, item_title, item_call_number, item_library, item_due_date
FROM fines
UNION ALL
SELECT 'C' || id, user_id, 'CREDIT', balance_owed, balance_owed, created_at, NULL, NULL,
       NULL, -- with closes_exported_fines: yes, write CAST(id AS text): then the credit takes back its charge at the bursar
       owner_library, item_barcode, item_title, item_call_number, item_library, item_due_date
FROM fines WHERE balance_owed < 0
