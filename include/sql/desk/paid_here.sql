-- What was paid for a fine at the library and not given back.
SELECT coalesce(-sum(balance_change + outstanding_change), 0) FROM journal
WHERE fine_id = :fine_id AND kind IN ('PAID', 'REFUNDED');
