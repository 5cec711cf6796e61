-- Returns five invented fines of three users, as lines of a batch, with which a layout can be tried.
SELECT number, transaction_id, reversal, reversed_transaction_id, number AS fine_id, user_id, identifier, patron_name, fine_fee_type,
       CAST(NULL AS text) AS comment, '161600070004321' AS owner_library_id, owner_library_code,
       CAST('2026-11-13 17:30+00' AS timestamptz) + make_interval(days => CAST(number AS integer)) AS last_transaction_at,
       item_title, 'QK495' AS item_call_number, 'Main Library' AS item_library, 'Stacks' AS item_location,
       CAST('2026-10-01 03:59+00' AS timestamptz) AS item_due_date, item_barcode, 'USD' AS currency, amount, CAST(NULL AS numeric) AS vat
FROM (VALUES
    (CAST(1 AS bigint), '70001', false, NULL, 1, '00123456', 'García Márquez, Ana', 'OVERDUEFINE', 'MAIN', 'Cien años de soledad', '39088001234567', 12.50),
    (2, '70002', false, NULL, 1, '00123456', 'García Márquez, Ana', 'LOSTITEMREPLACEMENTFEE', 'LAW', 'Torts: cases, notes and materials', '39088009876543', 95.00),
    (3, '70003', false, '60377', 2, '00234567', 'O''Brien, Søren', 'CREDIT', 'MAIN', 'Ship of fools', '39088005555555', -7.25),
    (4, '70004', false, NULL, 2, '00234567', 'O''Brien, Søren', 'LOSTITEMPROCESSFEE', 'MAIN', 'Moby Dick', '39088005555556', 15.00),
    (5, '70005', false, NULL, 3, '98765432', 'Smith, "Red" J.', 'OTHER', NULL, NULL, NULL, 3.40)
) AS invented (number, transaction_id, reversal, reversed_transaction_id, user_id, identifier, patron_name, fine_fee_type,
               owner_library_code, item_title, item_barcode, amount)
