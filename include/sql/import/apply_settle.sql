-- Settles the matched records of a file against what their fines have outstanding, and writes each record's outcome, once.
-- Records of one fine follow each other in the order of the file: each finds what the one before it left. A recursion goes
-- through all fines at once, record by record. Everything is reckoned in the direction of the charge, so that credits are
-- charges with the signs turned. What is paid beyond the outstanding amount, but had been settled at the library, makes no
-- credit: the bursar hears of it by a reversal, and owes it to the student.
WITH RECURSIVE payments AS (
    SELECT matched.number, matched.fine_id, matched.direction, matched.outstanding, matched.given, matched.settled_here,
           -- What is new: the sum itself, or with cumulative amounts what it exceeds the highest total so far by.
           CASE WHEN :amounts = 'incremental' THEN matched.given
                ELSE matched.given - greatest(
                    (SELECT coalesce(sum(abs(earlier.applied) + earlier.credited + coalesce(abs(earlier.settled_before), 0)), 0)
                     FROM import_records AS earlier
                     WHERE earlier.fine_id = matched.fine_id AND earlier.matched_id = matched.matched_id
                       AND earlier.applied IS NOT NULL),
                    coalesce(max(matched.given) OVER (PARTITION BY matched.matched_id ORDER BY matched.number
                                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) END AS paid,
           row_number() OVER (PARTITION BY matched.fine_id ORDER BY matched.number) AS turn
    FROM (
        SELECT matched.number, matched.fine_id, matched.matched_id, sign(fines.amount) AS direction,
               matched.amount * sign(fines.amount) AS given, fines.outstanding * sign(fines.amount) AS outstanding,
               -- Nothing but what happened since the export makes the outstanding amount another than the exported one.
               CASE WHEN fines.outstanding = matched.exported THEN 0 ELSE coalesce((
                   SELECT sum(abs(outstanding_change)) FROM journal
                   WHERE journal.fine_id = fines.id AND outstanding_change <> 0 AND kind IN ('PAID', 'WAIVED', 'REVERSED')
               ), 0) END AS settled_here
        FROM matched JOIN fines ON fines.id = matched.fine_id
        WHERE matched.outcome IS NULL
    ) AS matched
), settled AS (
    SELECT DISTINCT fine_id, CAST(0 AS bigint) AS turn, CAST(NULL AS integer) AS number, direction,
           CAST(NULL AS text) AS outcome, CAST(NULL AS numeric) AS applied, CAST(NULL AS numeric) AS credited,
           CAST(NULL AS numeric) AS settled_before,
           CAST(outstanding AS numeric) AS remaining
    FROM payments
    UNION ALL
    SELECT next.fine_id, next.turn, next.number, next.direction, judged.outcome,
           CASE WHEN judged.outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID') THEN least(next.paid, settled.remaining) END,
           CASE WHEN judged.outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID')
                THEN greatest(next.paid - settled.remaining - next.settled_here, 0) END,
           CASE WHEN judged.outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'ALREADY_SETTLED')
                THEN least(greatest(next.paid - settled.remaining, 0), next.settled_here) END,
           CASE WHEN judged.outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID') THEN greatest(settled.remaining - next.paid, 0)
                ELSE settled.remaining END
    FROM settled
    JOIN payments AS next ON next.fine_id = settled.fine_id AND next.turn = settled.turn + 1
    CROSS JOIN LATERAL (SELECT CASE
        WHEN next.given = 0 THEN 'NO_PAYMENT'
        WHEN next.given < 0 OR next.paid < 0 THEN 'INVALID'
        WHEN settled.remaining = 0 THEN 'ALREADY_SETTLED'
        WHEN next.paid = 0 THEN 'NO_PAYMENT'
        WHEN next.paid < settled.remaining THEN 'PARTLY_PAID'
        WHEN next.paid <= settled.remaining + next.settled_here THEN 'PAID'
        WHEN next.direction > 0 THEN 'OVERPAID'
        ELSE 'INVALID' END AS outcome) AS judged
)
UPDATE import_records AS record
SET amount = matched.amount,
    fine_id = matched.fine_id,
    matched_id = matched.matched_id,
    outcome = coalesce(matched.outcome, settled.outcome),
    applied = settled.applied * settled.direction,
    credited = settled.credited,
    settled_before = settled.settled_before * settled.direction,
    reason = CASE
        WHEN matched.outcome IS NOT NULL THEN matched.reason
        WHEN settled.outcome = 'ALREADY_SETTLED' AND payments.settled_here > 0 AND settled.direction > 0
            THEN 'it was settled at the library before. If the student paid the bursar too, the student has paid twice: the '
                 'bursar is told by a reversal, and owes it back'
        WHEN settled.outcome = 'ALREADY_SETTLED' AND payments.settled_here > 0
            THEN 'nothing of this credit was left: it was set off against the charge that it takes back'
        WHEN settled.outcome = 'ALREADY_SETTLED'
            THEN 'nothing was outstanding any more: most likely this payment was reported before'
        WHEN settled.settled_before > 0 AND settled.direction > 0
            THEN round(settled.settled_before, 2) || ' of it had been settled at the library before: the student has paid that '
                 'twice. The bursar is told by a reversal, and owes it back'
        WHEN settled.settled_before > 0
            THEN round(settled.settled_before, 2) || ' of it had been set off against the charge that it takes back'
        WHEN settled.outcome = 'NO_PAYMENT' AND payments.given = 0 THEN 'the sum is 0'
        WHEN settled.outcome = 'NO_PAYMENT' THEN 'nothing new since the last total'
        WHEN settled.outcome <> 'INVALID' THEN NULL
        WHEN payments.given < 0 AND settled.direction > 0 THEN 'a charge is paid by a sum above 0'
        WHEN payments.given < 0 THEN 'a credit is returned by a sum below 0'
        WHEN payments.paid < 0 THEN 'the total is lower than one that was reported before'
        ELSE 'more credit comes back than was sent'
    END
FROM matched
LEFT JOIN settled ON settled.number = matched.number
LEFT JOIN payments ON payments.number = matched.number
WHERE record.file_id = :file_id AND record.number = matched.number;
