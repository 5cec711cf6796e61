-- requires: matches
-- Settles the matched records of a partition against the outstanding amounts of their fines, and writes each outcome once.
-- The records of a fine are settled in the order of the file, each against the amount that the ones before have left. All amounts
-- are in the direction of the charge: credits have their signs reversed. An overpayment of an amount that had been settled at the
-- library becomes no credit: a reversal notifies the bursar, who owes it to the student.
WITH asked AS (
    SELECT DISTINCT fine_id, matched_id FROM matches
    WHERE partition_number = :partition_number AND outcome IS NULL AND :amount_mode = 'cumulative'
), earlier AS (  -- the totals of earlier files, if amounts are cumulative; also of fines that had been settled
    SELECT matched_id, sum(amount) AS total FROM (
        SELECT records.matched_id, abs(applied) + credit_amount + coalesce(abs(already_settled), 0) AS amount
        FROM asked JOIN journal_entries ON journal_entries.fine_id = asked.fine_id
        JOIN import_records AS records ON records.file_id = journal_entries.import_file_id
            AND records.number = journal_entries.import_record AND records.matched_id = asked.matched_id
        UNION ALL
        SELECT asked.matched_id, settled.amount
        FROM asked CROSS JOIN LATERAL (
            SELECT abs(already_settled) AS amount FROM import_records
            WHERE fine_id = asked.fine_id AND applied IS NULL AND matched_id = asked.matched_id AND already_settled IS NOT NULL
            OFFSET 0  -- so that the planner looks it up fine by fine
        ) AS settled
    ) AS reported GROUP BY matched_id
), payments AS (
    SELECT matches.*,
           -- The new payment: the sum itself, or with cumulative amounts the excess over the highest total so far.
           CASE WHEN :amount_mode = 'incremental' THEN given
                ELSE given - greatest(coalesce(earlier.total, 0), coalesce(max(given) OVER (
                         PARTITION BY matches.matched_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))
           END AS paid
    FROM (
        SELECT matches.number, matches.amount, matches.fine_id, matches.matched_id, sign(fines.amount) AS direction,
               matches.amount * sign(fines.amount) AS given, fines.outstanding * sign(fines.amount) AS outstanding,
               -- Only entries since the export make the outstanding amount differ from the exported one.
               CASE WHEN fines.outstanding = matches.exported THEN 0 ELSE coalesce((
                   SELECT sum(abs(outstanding_change)) FROM journal_entries
                   WHERE journal_entries.fine_id = fines.id AND outstanding_change <> 0 AND entry_type IN ('PAID', 'WAIVED', 'REVERSED')
               ), 0) END AS settled_here
        FROM matches JOIN fines ON fines.id = matches.fine_id
        WHERE matches.partition_number = :partition_number AND matches.outcome IS NULL
    ) AS matches
    LEFT JOIN earlier ON earlier.matched_id = matches.matched_id
), outcomes AS (
    SELECT *, payment_outcome(given, paid, remaining, settled_here, direction) AS outcome
    FROM (
        SELECT *, coalesce(remaining_after_payments(outstanding, given, paid, settled_here, direction) OVER (
                      PARTITION BY fine_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                  outstanding) AS remaining
        FROM payments
    ) AS turns
    OFFSET 0  -- so that the planner computes each outcome once
), settled AS (
    SELECT number, amount, fine_id, matched_id, given, paid, settled_here, direction, outcome,
           CASE WHEN outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID') THEN least(paid, remaining) END AS applied,
           CASE WHEN outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID') THEN greatest(paid - remaining - settled_here, 0) END
               AS credit_amount,
           CASE WHEN outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'ALREADY_SETTLED')
               THEN least(greatest(paid - remaining, 0), settled_here) END AS already_settled
    FROM outcomes
)
UPDATE import_records AS record
SET amount = found.amount, fine_id = found.fine_id, matched_id = found.matched_id, outcome = found.outcome,
    applied = found.applied, credit_amount = found.credit_amount, already_settled = found.already_settled, reason = found.reason
FROM (
    SELECT number, amount, fine_id, matched_id, outcome, applied * direction AS applied, credit_amount,
           already_settled * direction AS already_settled,
           CASE
               WHEN outcome = 'ALREADY_SETTLED' AND settled_here > 0 AND direction > 0
                   THEN 'it was settled at the library before. If the student paid the bursar too, the student has paid twice: '
                        'a reversal notifies the bursar, who owes it back'
               WHEN outcome = 'ALREADY_SETTLED' AND settled_here > 0
                   THEN 'nothing of this credit was left: it was set off against the charge that it takes back'
               WHEN outcome = 'ALREADY_SETTLED'
                   THEN 'nothing was outstanding any more: most likely this payment was reported before'
               WHEN already_settled > 0 AND direction > 0
                   THEN round(already_settled, 2) || ' of it had been settled at the library before: the student has paid that '
                        'twice. A reversal notifies the bursar, who owes it back'
               WHEN already_settled > 0
                   THEN round(already_settled, 2) || ' of it had been set off against the charge that it takes back'
               WHEN outcome = 'NO_PAYMENT' AND given = 0 THEN 'the sum is 0'
               WHEN outcome = 'NO_PAYMENT' THEN 'nothing new since the last total'
               WHEN outcome <> 'INVALID' THEN NULL
               WHEN given < 0 AND direction > 0 THEN 'a charge is paid by a sum above 0'
               WHEN given < 0 THEN 'a credit is returned by a sum below 0'
               WHEN paid < 0 THEN 'the total is lower than one that was reported before'
               ELSE 'more credit comes back than was sent'
           END AS reason
    FROM settled
    UNION ALL
    SELECT number, amount, fine_id, matched_id, outcome, NULL, NULL, NULL, reason
    FROM matches WHERE partition_number = :partition_number AND outcome IS NOT NULL
    ORDER BY number  -- the physical order of the records, so that the index grows at its end
) AS found
WHERE record.file_id = :file_id AND record.number = found.number AND record.outcome IS NULL;
