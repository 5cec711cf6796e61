-- requires: matches
-- Settles the matched records of a partition against the outstanding amounts of their fines, and writes each outcome once.
-- The records of a fine are settled in the order of the file, each against the amount that the ones before have left. All amounts
-- are in the direction of the charge: credits have their signs reversed. An overpayment of an amount that had been settled at the
-- library becomes no credit: a reversal notifies the bursar, who owes it to the student. A sum below 0 reverses payments at the
-- bursar. A total below an earlier one reverses nothing, as the older file may only have come late. A fine that was exported with
-- more decimals than its currency has, as an earlier version loaded it, is paid by the amounts around it: 3.33 and 3.34 pay 3.335.
WITH asked AS (
    SELECT DISTINCT fine_id, matched_id FROM matches
    WHERE partition_number = :partition_number AND outcome IS NULL AND :amount_mode = 'cumulative'
), earlier AS (  -- the totals of earlier files, if amounts are cumulative; also of fines that had been settled
    SELECT matched_id, sum(amount) AS total FROM (
        SELECT records.matched_id, CASE WHEN outcome = 'PAYMENT_REVERSED' THEN -abs(applied) ELSE abs(applied) END
               + credit_amount + coalesce(held_amount, 0) + coalesce(abs(already_settled), 0) AS amount
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
           END AS new_amount,
           coalesce(CAST(CAST(:decimals AS jsonb) ->> currency AS integer), 2) AS currency_decimals
    FROM (
        SELECT *, coalesce(settlements[1], 0) AS settled_here, coalesce(settlements[2], 0) AS offset_by_credits,
               CASE WHEN is_of_deleted_user OR :amount_mode = 'cumulative' THEN NULL ELSE outstanding + paid_at_bursar END AS payable
        FROM (
            SELECT matches.number, matches.amount, matches.fine_id, matches.matched_id, fines.currency, sign(fines.amount) AS direction,
                   matches.amount * sign(fines.amount) AS given, fines.outstanding * sign(fines.amount) AS outstanding,
                   coalesce(CAST(:max_overpayment AS numeric), abs(fines.amount)) AS max_credit,
                   -- Only entries since the export make the outstanding amount differ from the exported one.
                   CASE WHEN fines.outstanding <> matches.exported THEN (
                       SELECT ARRAY[sum(abs(outstanding_change)), sum(abs(outstanding_change)) FILTER (WHERE entry_type = 'REVERSED')]
                       FROM journal_entries
                       WHERE journal_entries.fine_id = fines.id AND outstanding_change <> 0
                         AND entry_type IN ('PAID', 'WAIVED', 'CANCELLED', 'REVERSED')
                   ) END AS settlements,
                   CASE WHEN negative.fine_id IS NOT NULL THEN coalesce((
                       SELECT -sum(outstanding_change) * sign(fines.amount) FROM journal_entries
                       WHERE journal_entries.fine_id = fines.id AND entry_type = 'PAID_AT_BURSAR'), 0) END AS paid_at_bursar,
                   CASE WHEN negative.fine_id IS NOT NULL
                       THEN (SELECT deleted_at IS NOT NULL FROM users WHERE users.id = fines.user_id) END AS is_of_deleted_user
            FROM matches
            JOIN fines ON fines.id = matches.fine_id
            LEFT JOIN (
                SELECT DISTINCT fine_id FROM matches
                WHERE partition_number = :partition_number AND outcome IS NULL AND amount * exported < 0
            ) AS negative ON negative.fine_id = matches.fine_id
            WHERE matches.partition_number = :partition_number AND matches.outcome IS NULL
        ) AS looked_up
    ) AS matches
    LEFT JOIN earlier ON earlier.matched_id = matches.matched_id
), rounded AS (  -- the first payment of a fine takes the decimals with it that the currency does not have; nearly no fine has any
    SELECT *, counted + CASE WHEN counted > 0 AND total = counted
                        THEN trunc(counted - outstanding, currency_decimals) - (counted - outstanding) ELSE 0 END AS paid
    FROM (
        SELECT *, sum(greatest(counted, 0)) OVER (PARTITION BY fine_id ORDER BY number) AS total
        FROM (
            SELECT *, CASE WHEN :amount_mode = 'cumulative' AND abs(new_amount) < power(10.0, -currency_decimals) THEN 0
                           ELSE new_amount END AS counted
            FROM payments
        ) AS without_fractions
    ) AS added_up
), outcomes AS (
    SELECT *, payment_outcome(given, paid, remaining, settled_here, direction, payable, max_credit) AS outcome
    FROM (
        SELECT *, coalesce(remaining_after_payments(outstanding, given, paid, settled_here, direction, payable, max_credit) OVER (
                      PARTITION BY fine_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                  outstanding) AS remaining
        FROM rounded
    ) AS turns
    OFFSET 0  -- so that the planner computes each outcome once
), settled AS (
    SELECT *,
           CASE WHEN is_applied THEN least(paid, remaining) END AS applied,
           CASE WHEN is_applied AND outcome <> 'OVERPAID_HELD' THEN rest WHEN is_applied THEN 0 END AS credit_amount,
           CASE WHEN outcome = 'OVERPAID_HELD' THEN rest END AS held_amount,
           CASE WHEN is_applied OR outcome = 'ALREADY_SETTLED' THEN least(greatest(paid - remaining, 0), settled_here) END
               AS already_settled
    FROM (
        SELECT *, greatest(paid - remaining - settled_here, 0) AS rest,
               outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'OVERPAID_HELD', 'PAYMENT_REVERSED') AS is_applied
        FROM outcomes
    ) AS rests
), described AS (
    SELECT *,
           greatest(currency_decimals, scale(trim_scale(given)), scale(trim_scale(outstanding)), scale(trim_scale(settled_here)),
                    scale(trim_scale(max_credit))) AS decimals,
           CASE WHEN offset_by_credits = 0 THEN 'settled at the library'
                WHEN offset_by_credits = settled_here THEN 'cancelled by credits that reverse it'
                ELSE 'settled at the library or cancelled by credits that reverse it' END AS settled_how
    FROM settled
)
UPDATE import_records AS record
SET amount = found.amount, fine_id = found.fine_id, matched_id = found.matched_id, outcome = found.outcome,
    applied = found.applied, credit_amount = found.credit_amount, held_amount = found.held_amount,
    already_settled = found.already_settled, reason = found.reason
FROM (
    SELECT number, amount, fine_id, matched_id, outcome, applied * direction AS applied, credit_amount, held_amount,
           already_settled * direction AS already_settled,
           CASE
               WHEN outcome = 'OVERPAID_HELD' THEN
                   round(held_amount, decimals) || ' ' || currency || ' is overpaid, more than the limit of '
                   || round(max_credit, decimals) || '. It becomes no credit before a person has asked the bursar, and decided '
                   || 'under Bursar > Waiting for a person'
               WHEN outcome = 'PAYMENT_REVERSED'
                   THEN 'the bursar has reversed this payment: ' || round(-paid, decimals) || ' is outstanding again'
               WHEN outcome = 'ALREADY_SETTLED' AND settled_here > 0 AND direction > 0
                   THEN 'it was ' || settled_how || ' before. If the student paid the bursar too, '
                        || CASE WHEN offset_by_credits = 0 THEN 'the student has paid twice: a reversal reports this to the bursar, '
                                'who owes it back' ELSE 'the bursar owes it back' END
               WHEN outcome = 'ALREADY_SETTLED' AND settled_here > 0
                   THEN 'nothing of this credit was left: it was set off against the charge that it takes back'
               WHEN outcome = 'ALREADY_SETTLED'
                   THEN 'nothing was outstanding any more: most likely this payment was reported before'
               WHEN already_settled > 0 AND direction > 0
                   THEN round(already_settled, decimals) || ' of it had been ' || settled_how || ' before: '
                        || CASE WHEN offset_by_credits = 0 THEN 'the student has paid that twice. A reversal reports this to the '
                                'bursar, who owes it back' ELSE 'the bursar owes it back' END
               WHEN already_settled > 0
                   THEN round(already_settled, decimals) || ' of it had been set off against the charge that it takes back'
               WHEN outcome = 'NO_PAYMENT' AND given = 0 THEN 'the sum is 0'
               WHEN outcome = 'NO_PAYMENT' THEN 'nothing new since the last total'
               WHEN outcome <> 'INVALID' THEN NULL
               WHEN given < 0 AND :amount_mode = 'cumulative' THEN 'the sum has the wrong sign for a total of payments'
               WHEN given < 0 AND is_of_deleted_user
                   THEN 'nothing was owed any more, and the user has been deleted: agree with the bursar on this payment'
               WHEN given < 0 AND payable > remaining
                   THEN 'only ' || round(payable - remaining, decimals) || ' of it counts as paid at the bursar, so nothing was reversed. '
                        || 'Ask the bursar for a record of ' || round((remaining - payable) * direction, decimals) || ' instead'
                        || CASE WHEN settled_here > 0
                           THEN '. ' || round(settled_here, decimals) || ' had been ' || settled_how || ' before: a payment of that '
                                'never counted, and needs no reversal' ELSE '' END
                        || coalesce((
                            SELECT '. An overpayment became ' || CASE count(*) WHEN 1 THEN 'the open credit ' ELSE 'the open credits ' END
                                   || string_agg(CAST(credits.id AS text), ', ' ORDER BY credits.id)
                                   || ': if the bursar has taken it back, too, waive that at the desk'
                            FROM fines AS credits
                            WHERE credits.reverses = described.fine_id AND credits.balance < 0 HAVING count(*) > 0), '')
                        || CASE WHEN EXISTS (
                            SELECT FROM import_records AS held
                            WHERE held.fine_id = described.fine_id AND held.held_amount > 0 AND held.decided_at IS NULL)
                           THEN '. An overpayment waits: reject it under Bursar > Waiting for a person' ELSE '' END
               WHEN given < 0 AND direction > 0
                   THEN 'a charge is paid by a sum above 0, and nothing of it was paid at the bursar that could be reversed'
               WHEN given < 0
                   THEN 'a credit is returned by a sum below 0, and nothing of it was returned that could be reversed'
               WHEN paid < 0
                   THEN 'the total is lower than one that was reported before: ask the bursar whether this file is older, or whether '
                        'a payment has been reversed'
               ELSE 'more credit comes back than was sent'
           END AS reason
    FROM described
    UNION ALL
    SELECT number, amount, fine_id, matched_id, outcome, NULL, NULL, NULL, NULL, reason
    FROM matches WHERE partition_number = :partition_number AND outcome IS NOT NULL
    ORDER BY number  -- the physical order of the records, so that the index grows at its end
) AS found
WHERE record.file_id = :file_id AND record.number = found.number AND record.outcome IS NULL;
