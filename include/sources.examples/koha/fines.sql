SELECT -- Koha, saved SQL report: debits, and credits that give something back. Open ones, and those that changed in 30 days.
       a.accountlines_id AS fine_id,
       a.borrowernumber AS user_id,
       CASE WHEN a.credit_type_code IS NULL THEN a.debit_type_code ELSE 'CREDIT' END AS fine_fee_type,
       a.amount AS amount,
       a.amountoutstanding AS balance,
       a.date AS created_at,
       CASE WHEN a.status IN ('CANCELLED', 'VOID') THEN 'cancelled'
            WHEN a.status = 'UNRETURNED' THEN 'accruing' -- grows every night
            ELSE 'open' END AS status,
       CASE (SELECT c.credit_type_code -- of the credit that was applied last
             FROM account_offsets o JOIN accountlines c ON c.accountlines_id = o.credit_id
             WHERE o.debit_id = a.accountlines_id AND o.type = 'APPLY'
             ORDER BY o.id DESC LIMIT 1)
            WHEN 'WRITEOFF' THEN 'waived'
            WHEN 'FORGIVEN' THEN 'waived'
            WHEN 'DISCOUNT' THEN 'waived'
            WHEN 'CANCELLATION' THEN 'cancelled'
            ELSE 'paid' END AS settled_as,
       CASE WHEN a.credit_type_code IN ('LOST_FOUND', 'PROCESSING_FOUND') THEN
                (SELECT MAX(d.accountlines_id) FROM accountlines d -- the fee of the item that was found
                 WHERE d.borrowernumber = a.borrowernumber AND d.itemnumber = a.itemnumber
                   AND d.debit_type_code = CASE a.credit_type_code WHEN 'LOST_FOUND' THEN 'LOST' ELSE 'PROCESSING' END
                   AND d.accountlines_id < a.accountlines_id) END AS reverses,
       COALESCE(a.branchcode, i.homebranch, b.branchcode) AS owner_library,
       i.barcode AS item_barcode,
       CASE WHEN i.barcode IS NOT NULL THEN t.title END AS item_title,
       CASE WHEN i.barcode IS NOT NULL THEN i.itemcallnumber END AS item_call_number,
       CASE WHEN i.barcode IS NOT NULL THEN i.homebranch END AS item_library
FROM accountlines a
JOIN borrowers b ON b.borrowernumber = a.borrowernumber
LEFT JOIN items i ON i.itemnumber = a.itemnumber
LEFT JOIN biblio t ON t.biblionumber = i.biblionumber
WHERE (a.amountoutstanding <> 0 OR a.timestamp > CURRENT_DATE - INTERVAL '30' DAY)
  AND (a.debit_type_code NOT IN ('PAYOUT', 'VOID')
       OR a.credit_type_code NOT IN ('PAYMENT', 'WRITEOFF', 'FORGIVEN', 'DISCOUNT', 'CANCELLATION', 'PURCHASE',
                                     'BURSAR')) -- your own type, if one closes what has been exported
ORDER BY a.accountlines_id
