-- How much of a charge credits have taken back so far, as a positive sum.
SELECT coalesce(-sum(amount), 0) FROM fines WHERE reverses = :fine_id;
