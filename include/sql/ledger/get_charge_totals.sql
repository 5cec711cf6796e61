-- Returns how much of a charge was paid, waived, reversed and given back.
SELECT * FROM charge_totals WHERE fine_id = :fine_id;
