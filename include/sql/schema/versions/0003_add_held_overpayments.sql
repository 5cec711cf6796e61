-- Outcomes of payments: OVERPAID_HELD and PAYMENT_REVERSED.

ALTER TABLE import_records
    DROP CONSTRAINT outcome_is_known,
    ADD CONSTRAINT outcome_is_known CHECK (outcome IN (
        'PAID', 'PARTLY_PAID', 'OVERPAID', 'OVERPAID_HELD', 'PAYMENT_REVERSED', 'ALREADY_SETTLED', 'NO_PAYMENT',
        'UNMATCHED', 'CURRENCY_MISMATCH', 'INVALID')),
    ADD COLUMN held_amount numeric(14, 3),                  -- overpaid beyond the limit: a person decides
    ADD COLUMN held_decision text CONSTRAINT held_decision_is_known CHECK (held_decision IN ('released', 'rejected')),
    ADD COLUMN decided_by text,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN released_credit_id bigint,                   -- the credit that was made of it
    ADD CONSTRAINT held_decision_is_recorded CHECK (
        num_nulls(held_decision, decided_by, decided_at) IN (0, 3) AND (held_decision IS NULL OR held_amount > 0)
        AND (released_credit_id IS NOT NULL) = coalesce(held_decision = 'released', false));
COMMENT ON COLUMN import_records.released_credit_id IS 'references fines';

CREATE INDEX import_records_held ON import_records (fine_id) WHERE held_amount > 0 AND decided_at IS NULL;

DROP AGGREGATE remaining_after_payments(numeric, numeric, numeric, numeric, numeric);
DROP FUNCTION subtract_payment(numeric, numeric, numeric, numeric, numeric, numeric);
DROP FUNCTION payment_outcome(numeric, numeric, numeric, numeric, numeric);

-- The outcome of a payment that was matched. Amounts are signed so that the charge is positive; a credit is a charge with the
-- signs reversed. `given`: the sum; `paid`: the new part of it; `remaining`: outstanding before it; `settled_here`: settled at
-- the library since the export; `direction`: that of the fine, 1 or -1; `payable`: outstanding and paid at the bursar, up to
-- which a reversed payment can raise what is outstanding, NULL if none can be reversed; `max_credit`: the largest rest of an
-- overpayment that becomes a credit by itself.
CREATE FUNCTION payment_outcome(given numeric, paid numeric, remaining numeric, settled_here numeric, direction numeric,
                                payable numeric, max_credit numeric)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN given = 0 THEN 'NO_PAYMENT'
        WHEN given < 0 AND remaining - paid <= payable THEN 'PAYMENT_REVERSED'
        WHEN given < 0 OR paid < 0 THEN 'INVALID'
        WHEN remaining = 0 THEN 'ALREADY_SETTLED'
        WHEN paid = 0 THEN 'NO_PAYMENT'
        WHEN paid < remaining THEN 'PARTLY_PAID'
        WHEN paid <= remaining + settled_here THEN 'PAID'
        WHEN direction < 0 THEN 'INVALID'
        WHEN paid - remaining - settled_here > max_credit THEN 'OVERPAID_HELD'
        ELSE 'OVERPAID' END
$$;

CREATE FUNCTION subtract_payment(remaining numeric, outstanding numeric, given numeric, paid numeric, settled_here numeric,
                                 direction numeric, payable numeric, max_credit numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN payment_outcome(given, paid, before, settled_here, direction, payable, max_credit)
                     IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'OVERPAID_HELD', 'PAYMENT_REVERSED')
        THEN greatest(before - paid, 0) ELSE before END
    FROM (SELECT coalesce(remaining, outstanding) AS before) AS of_this
$$;

-- The outstanding amount of a fine after payments, in their order.
CREATE AGGREGATE remaining_after_payments(outstanding numeric, given numeric, paid numeric, settled_here numeric, direction numeric,
                                          payable numeric, max_credit numeric) (
    SFUNC = subtract_payment, STYPE = numeric);

-- A file with known bytes that a person applies after all has a row of its own, with records of its own.

ALTER TABLE import_files
    DROP CONSTRAINT import_files_sha256_key,
    ADD COLUMN repeated_arrival_id bigint UNIQUE REFERENCES file_arrivals,   -- the arrival of known bytes that it applies
    ADD COLUMN requested_by text,                                           -- the login of the person who applied it
    ADD CONSTRAINT repetition_is_requested CHECK ((repeated_arrival_id IS NULL) = (requested_by IS NULL));

-- The same bytes count once, in whatever folder they arrive, unless a person applies them again.
CREATE UNIQUE INDEX import_files_sha256 ON import_files (sha256) WHERE repeated_arrival_id IS NULL;

-- An arrival of a file that another arrival has applied. `is_same_file`: name, size and time are those of another arrival, so the
-- file was not moved away and is no second one.
CREATE VIEW repeated_arrivals AS
SELECT arrivals.id, arrivals.profile, arrivals.run_id, arrivals.name, files.id AS file_id, files.name AS applied_name,
       files.applied_at,
       arrivals.modified > 'epoch' AND EXISTS (    -- some servers list no times
           SELECT FROM file_arrivals AS others
           WHERE others.file_id = arrivals.file_id AND others.id <> arrivals.id
             AND (others.profile, others.name, others.size, others.modified)
                 = (arrivals.profile, arrivals.name, arrivals.size, arrivals.modified)
       ) AS is_same_file,
       again.id AS again_file_id, again.requested_by, again.applied_at AS applied_again_at
FROM file_arrivals AS arrivals
JOIN import_files AS files ON files.id = arrivals.file_id AND files.applied_at IS NOT NULL
LEFT JOIN import_files AS again ON again.repeated_arrival_id = arrivals.id
WHERE arrivals.id IS DISTINCT FROM (
    SELECT min(first.id) FROM file_arrivals AS first
    WHERE first.file_id = files.id AND first.profile = files.profile AND first.run_id = files.applied_by_run_id);
COMMENT ON VIEW repeated_arrivals IS 'An arrival of a file that had been applied before, and whether a person has applied it again.';

CREATE INDEX file_arrivals_file_id ON file_arrivals (file_id);

-- A fine with an overpayment that waits for a person is considered active: its user may get that money back.

CREATE OR REPLACE VIEW active_fines AS
WITH held AS (
    SELECT fine_id, sum(held_amount) AS amount FROM import_records WHERE held_amount > 0 AND decided_at IS NULL GROUP BY fine_id
)
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       (SELECT min(batch_id) FROM batch_claims WHERE batch_claims.fine_id = fines.id) AS claimed_by,
       coalesce(held.amount, 0) AS held_overpayment
FROM fines LEFT JOIN held ON held.fine_id = fines.id
WHERE fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0
UNION ALL
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       others.batch_id, coalesce(others.held_amount, 0)
FROM (
    SELECT fine_id, min(batch_id) AS batch_id, sum(held_amount) AS held_amount FROM (
        SELECT fine_id, batch_id, 0 AS held_amount FROM batch_claims
        UNION ALL
        SELECT fine_id, NULL, amount FROM held
    ) AS claimed_or_held GROUP BY fine_id
) AS others
JOIN fines ON fines.id = others.fine_id
WHERE NOT (fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0);

CREATE OR REPLACE VIEW user_debts AS
SELECT user_id, max(debt) AS max_debt, min(debt) AS min_debt, bool_or(is_claimed) AS is_claimed,
       bool_or(is_outstanding) AS is_outstanding, bool_or(has_outstanding_credit) AS has_outstanding_credit,
       bool_or(has_pending_reversal) AS has_pending_reversal, bool_or(has_credit) AS has_credit,
       bool_or(is_disputed) AS is_disputed, bool_or(has_held_overpayment) AS has_held_overpayment
FROM (
    SELECT user_id, currency, sum(balance + outstanding) AS debt, bool_or(claimed_by IS NOT NULL) AS is_claimed,
           bool_or(outstanding <> 0) AS is_outstanding, bool_or(outstanding < 0) AS has_outstanding_credit,
           bool_or(pending_reversal <> 0) AS has_pending_reversal, bool_or(balance + outstanding < 0) AS has_credit,
           bool_or(status = 'DISPUTED') AS is_disputed, bool_or(held_overpayment > 0) AS has_held_overpayment
    FROM active_fines GROUP BY user_id, currency
) AS by_currency
GROUP BY user_id;
