-- requires: fine_changes
-- Decides how much of the outstanding amount of a charge was settled at the library: what no credit explains. After a payment at
-- the bursar, it may be that same payment: then only what is above the balance in the library system counts. Credits that are open
-- after this load take back the rest. A credit that an earlier load settled at the library, before its charge was exported with its
-- whole balance, or before it named that charge, explains nothing to the bursar. If the source closes fines once they are exported,
-- a balance of 0 is that closing.
UPDATE fine_changes SET unexplained = compared.unexplained, settled_there = CASE
    WHEN new_status = 'cancelled' THEN CASE WHEN said_status <> 'cancelled' THEN held ELSE 0 END
    WHEN paid_at_bursar > 0 THEN least(compared.unexplained, greatest(held - new_balance, 0))
    ELSE least(compared.unexplained, held) END
FROM (
    SELECT fine_id AS id,
           greatest(outstanding - open_credits - coalesce((
               SELECT sum(credits.adjusted + credits.reopened - credits.settled - credits.reversed)
               FROM fines JOIN fine_changes AS credits ON credits.fine_id = fines.id
               WHERE fines.reverses = fine_changes.fine_id AND credits.place = 'library'), 0), 0) AS held,
           CASE WHEN :closes_exported_fines AND new_balance = 0 THEN 0
                ELSE greatest(least(greatest(new_amount - new_balance - applied, 0)
                                        - greatest(said_amount - said_balance - applied_before, 0) + not_passed_on,
                                    said_balance + new_amount - said_amount - new_balance), 0) END AS unexplained
    FROM fine_changes WHERE place = 'bursar' AND NOT is_credit
) AS compared
WHERE compared.id = fine_changes.fine_id;
