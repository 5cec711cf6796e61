-- requires: outstanding_fines, user_records
-- Divides the sum of each record among the outstanding charges of its user, oldest first, into a record for each. What is more than
-- all charges is a part of the newest one. Sums of one user are divided in the order of the file, so the records of the file are
-- numbered anew. A record whose sum can't be divided gets its outcome; so does one whose identifier was exported for several users who
-- have outstanding charges, because it might pay the charge of another person.
WITH shared AS (
    SELECT identifier, currency FROM outstanding_fines WHERE outstanding > 0
    GROUP BY identifier, currency HAVING count(DISTINCT user_id) > 1
), charges AS (
    SELECT identifier, currency, fine_id, outstanding, sum(outstanding) OVER of_user AS upto,
           lead(fine_id) OVER of_user IS NULL AS is_newest
    FROM outstanding_fines WHERE outstanding > 0 AND (identifier, currency) NOT IN (SELECT identifier, currency FROM shared)
    WINDOW of_user AS (PARTITION BY identifier, currency ORDER BY created_at, fine_id)
), paid AS (
    SELECT *, sum(amount) OVER (PARTITION BY identifier, currency ORDER BY number) AS upto FROM user_records WHERE amount > 0
), parts AS (
    SELECT *, row_number() OVER (PARTITION BY number ORDER BY charge_upto) AS place
    FROM (
        SELECT paid.number, charges.fine_id, charges.upto AS charge_upto,
               CASE WHEN charges.is_newest THEN paid.upto ELSE least(paid.upto, charges.upto) END
               - greatest(paid.upto - paid.amount, charges.upto - charges.outstanding) AS part
        FROM paid JOIN charges ON charges.identifier = paid.identifier AND charges.currency = paid.currency
            AND charges.upto - charges.outstanding < paid.upto
            AND (paid.upto - paid.amount < charges.upto OR charges.is_newest)
    ) AS pieces
), removed AS (
    DELETE FROM import_records WHERE file_id = :file_id RETURNING *
)
INSERT INTO import_records (file_id, number, line, transaction_id, internal_id, currency, sum, problem, identifier, reference, paid_on,
                            payment_key, sum_of_file, found_fine_id, amount, outcome, reason)
SELECT :file_id, row_number() OVER (ORDER BY removed.number, parts.place), removed.line, removed.transaction_id, removed.internal_id,
       removed.currency, coalesce(CAST(parts.part AS text), removed.sum), removed.problem, removed.identifier, removed.reference,
       removed.paid_on, CASE WHEN coalesce(parts.place, 1) = 1 THEN removed.payment_key END,
       CASE WHEN parts.place IS NOT NULL THEN coalesce(removed.sum_of_file, removed.sum) ELSE removed.sum_of_file END,
       parts.fine_id, coalesce(removed.amount, undivided.amount),
       CASE WHEN undivided.amount = 0 THEN 'NO_PAYMENT' WHEN undivided.amount > 0 AND shared.identifier IS NOT NULL THEN 'AMBIGUOUS'
            WHEN undivided.amount IS NOT NULL THEN 'UNMATCHED' ELSE removed.outcome END,
       CASE WHEN undivided.amount = 0 THEN 'the sum is 0'
            WHEN undivided.amount < 0 THEN 'the sum is below 0, and the fines from which it is taken back are not known: '
                'ask the bursar for records with the ids of these fines'
            WHEN shared.identifier IS NOT NULL THEN 'outstanding charges of several users were exported with this identifier: '
                'ask the bursar for records with the ids of these fines'
            WHEN undivided.amount > 0 THEN 'the user has no outstanding charge in this currency'
            ELSE removed.reason END
FROM removed
LEFT JOIN parts ON parts.number = removed.number
LEFT JOIN user_records AS undivided ON undivided.number = removed.number AND parts.number IS NULL
LEFT JOIN shared ON (shared.identifier, shared.currency) = (undivided.identifier, undivided.currency);
