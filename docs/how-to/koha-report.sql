SELECT r.run, r.read_at, r.koha_version, r.max_report_rows, r.has_credit_type, page.row_count,
       a.accountlines_id AS fine_id,
       a.borrowernumber AS user_id,
       a.debit_type_code AS debit_type,
       a.credit_type_code AS credit_type,
       a.amount AS amount,
       a.amountoutstanding AS balance,
       a.date AS charged_at,
       a.status AS line_status,
       (SELECT c.credit_type_code -- of the credit that was applied last
        FROM account_offsets o
        JOIN accountlines c ON c.accountlines_id = o.credit_id
        WHERE o.id = (SELECT MAX(l.id) FROM account_offsets l
                      WHERE l.debit_id = a.accountlines_id AND l.credit_id IS NOT NULL AND l.type = 'APPLY')
       ) AS settled_by,
       CASE WHEN a.credit_type_code IN ('LOST_FOUND', 'PROCESSING_FOUND') THEN
            (SELECT MAX(d.accountlines_id) FROM accountlines d -- the fee of the item that was found
             WHERE d.borrowernumber = a.borrowernumber AND d.itemnumber = a.itemnumber
               AND d.debit_type_code = CASE a.credit_type_code WHEN 'LOST_FOUND' THEN 'LOST' ELSE 'PROCESSING' END
               AND d.accountlines_id < a.accountlines_id)
       END AS reverses,
       a.branchcode AS line_branch,
       i.homebranch AS item_home_branch,
       b.branchcode AS patron_branch,
       i.barcode AS item_barcode,
       t.title AS item_title,
       i.itemcallnumber AS item_call_number,
       b.userid, b.cardnumber, b.surname, b.firstname, b.sort1, b.sort2, b.dateexpiry AS expiry_date,
       b.categorycode AS category,
       g.description AS category_name,
       (SELECT GROUP_CONCAT(CONCAT(n.code, '=', n.attribute)) FROM borrower_attributes n
        WHERE n.borrowernumber = b.borrowernumber AND FIND_IN_SET(n.code, r.attribute_codes) > 0) AS attributes
FROM (SELECT <<Number of the run>> AS run,
             <<Codes of patron attributes>> AS attribute_codes,
             UNIX_TIMESTAMP() AS read_at,
             (SELECT value FROM systempreferences WHERE variable = 'Version') AS koha_version,
             (SELECT value FROM systempreferences WHERE variable = 'SvcMaxReportRows') AS max_report_rows,
             (SELECT COUNT(*) FROM account_credit_types
              WHERE code = <<Credit type>> AND archived = 0) AS has_credit_type) r
LEFT JOIN (SELECT l.accountlines_id, p.page_rows,
                  ROW_NUMBER() OVER (ORDER BY l.accountlines_id) AS row_place,
                  COUNT(*) OVER () AS row_count
           FROM (SELECT q.after_line, q.page_rows, q.changed_since = 0 AS is_complete,
                        FROM_UNIXTIME(CASE q.changed_since WHEN 0 THEN UNIX_TIMESTAMP() - 86400
                                                           ELSE q.changed_since END) AS changed_since
                 FROM (SELECT <<After the line>> + 0 AS after_line,
                              <<Changed since>> + 0 AS changed_since,
                              <<Rows>> + 0 AS page_rows) q) p
           JOIN accountlines l ON l.accountlines_id > p.after_line
           WHERE l.borrowernumber IS NOT NULL
             AND (l.debit_type_code NOT IN ('PAYOUT', 'VOID')
                  OR l.credit_type_code NOT IN ('PAYMENT', 'WRITEOFF', 'FORGIVEN', 'DISCOUNT', 'CANCELLATION',
                                                'PURCHASE'))
             AND (l.timestamp >= p.changed_since OR p.is_complete = 1 AND l.amountoutstanding <> 0)
          ) page ON page.row_place <= page.page_rows
LEFT JOIN accountlines a ON a.accountlines_id = page.accountlines_id
LEFT JOIN borrowers b ON b.borrowernumber = a.borrowernumber
LEFT JOIN categories g ON g.categorycode = b.categorycode
LEFT JOIN items i ON i.itemnumber = a.itemnumber
LEFT JOIN biblio t ON t.biblionumber = i.biblionumber
ORDER BY a.accountlines_id
