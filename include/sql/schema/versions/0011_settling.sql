-- What one payment does to what its fine has outstanding, asked by include/sql/imports/settle_records.sql.

-- The outcome of a payment that was matched. Everything is reckoned in the direction of the charge, so that credits are charges
-- with the signs turned: `given` is the sum, `paid` what of it is new, `remaining` what is outstanding before it, `settled_here`
-- what was settled at the library since the export; `direction` is that of the fine, 1 or -1.
CREATE FUNCTION payment_outcome(given numeric, paid numeric, remaining numeric, settled_here numeric, direction numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN given = 0 THEN 'NO_PAYMENT'
        WHEN given < 0 OR paid < 0 THEN 'INVALID'
        WHEN remaining = 0 THEN 'ALREADY_SETTLED'
        WHEN paid = 0 THEN 'NO_PAYMENT'
        WHEN paid < remaining THEN 'PARTLY_PAID'
        WHEN paid <= remaining + settled_here THEN 'PAID'
        WHEN direction > 0 THEN 'OVERPAID'
        ELSE 'INVALID' END
$$;

-- What payments of one fine, in the order in which they are given, leave outstanding of it.
CREATE FUNCTION payment_leaves(remaining numeric, outstanding numeric, given numeric, paid numeric, settled_here numeric,
                               direction numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN payment_outcome(given, paid, before, settled_here, direction) IN ('PAID', 'PARTLY_PAID', 'OVERPAID')
        THEN greatest(before - paid, 0) ELSE before END
    FROM (SELECT coalesce(remaining, outstanding) AS before) AS of_this
$$;
CREATE AGGREGATE payments_leave(outstanding numeric, given numeric, paid numeric, settled_here numeric, direction numeric) (
    SFUNC = payment_leaves, STYPE = numeric);

-- Records that paid are found through the journal. By their fine are asked only those that had no effect on it.
DROP INDEX import_records_of_fine;
CREATE INDEX import_records_without_effect ON import_records (fine_id) WHERE fine_id IS NOT NULL AND applied IS NULL;
