-- requires: fine_changes
-- Decides what the journal has to say about a fine at the library: how much its amount is adjusted, how much of the balance is
-- settled, and by what, and how much is open again. Credits settle a charge before anything else does. A credit on its way to a
-- bursar follows its amount, if it is open as a whole, and the bursar can take back so much. What the library's system took off a
-- charge for a credit of Bursar is open on both here.
UPDATE fine_changes SET
    adjusted = decided.adjusted,
    settled = decided.settled - decided.reversed,
    reversed = decided.reversed,
    reopened = decided.reopened,
    dispute = CASE
        WHEN decided.open > 0 AND decided.new_status IN ('disputed', 'suspended') AND decided.status <> 'DISPUTED' THEN 'DISPUTED'
        WHEN decided.open > 0 AND decided.status = 'DISPUTED' AND decided.said_status IN ('disputed', 'suspended')
             AND decided.is_disputed_by_load AND decided.new_status IN ('open', 'accruing') THEN 'DISPUTE_SETTLED' END
FROM (
    SELECT *, balance + adjusted - settled + reopened AS open,
           CASE WHEN has_charge AND new_status <> 'cancelled' THEN settled WHEN is_credit THEN 0
                ELSE least(settled, greatest(fall - unexplained, 0)) END AS reversed
    FROM (
        SELECT *, CASE WHEN new_status = 'cancelled' THEN balance
                       WHEN goes_in_full IS NOT NULL AND NOT is_new THEN 0
                       WHEN goes_in_full IS NOT NULL
                       THEN greatest(amount - least(amount, goes_in_full) - least(greatest(amount - goes_in_full, 0), new_balance), 0)
                       WHEN fall > 0 THEN greatest(balance - written_credits + adjusted - new_balance, 0) ELSE 0 END AS settled
        FROM (
            SELECT *, CASE WHEN goes_in_full IS NULL THEN least(greatest(new_balance - said_balance - new_amount + said_amount, 0),
                                                                settled_before, greatest(new_balance + written_credits - balance - adjusted, 0))
                           ELSE 0 END AS reopened
            FROM (
                SELECT fine_id, is_new, is_credit, has_charge, goes_in_full, room, amount, balance, status, said_status, new_amount, new_balance,
                       new_status, is_disputed_by_load,
                       said_balance, said_amount, settled_before, written_credits,
                       CASE WHEN new_status = 'cancelled' THEN 0
                            WHEN goes_in_full IS NOT NULL AND (is_new OR balance <> amount OR new_amount - amount > room) THEN 0
                            ELSE greatest(new_amount - amount, -balance) END AS adjusted,
                       greatest(said_balance + new_amount - said_amount - new_balance, 0) AS fall,
                       greatest(greatest(new_amount - new_balance - applied, 0)
                                - greatest(said_amount - said_balance - applied_before, 0), 0) AS unexplained
                FROM fine_changes WHERE place = 'library'
            ) AS compared
        ) AS adjusted
    ) AS settlements
) AS decided
WHERE decided.fine_id = fine_changes.fine_id;
