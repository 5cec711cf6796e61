SELECT -- Koha, saved SQL report: all patrons. STUDENT_NO is the code of the attribute with the number that the bursar knows.
       b.borrowernumber AS user_id,
       COALESCE(b.userid, b.cardnumber) AS primary_id,
       b.surname AS last_name,
       b.firstname AS first_name,
       b.categorycode AS user_group,
       b.dateexpiry AS expiry_date,
       NULL AS purge_date,
       b.cardnumber AS `identifier:BARCODE`,
       (SELECT MAX(n.attribute) FROM borrower_attributes n
        WHERE n.borrowernumber = b.borrowernumber AND n.code = 'STUDENT_NO') AS `identifier:02`
FROM borrowers b
ORDER BY b.borrowernumber
