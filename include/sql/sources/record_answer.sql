-- Records what became of an event, and what it changed of the fine as said by the source, so that the next reading sees no change.
-- Changes nothing if another worker or a person has decided meanwhile.
WITH before AS MATERIALIZED (
    SELECT id, fine_id, balance_change FROM outbox_events
    WHERE id = :id AND attempts = :attempts AND state IN ('pending', 'unknown') FOR UPDATE
), recorded AS (
    UPDATE outbox_events SET state = :state, answer = :answer, balance_change = :balance_change, answered_at = clock_timestamp()
    FROM before WHERE outbox_events.id = before.id
), said AS (
    UPDATE fines SET source_balance = sign(fines.amount) * least(
        greatest(sign(fines.amount) * (source_balance + CAST(:balance_change AS numeric) - before.balance_change), 0),
        abs(source_amount))
    FROM before WHERE fines.id = before.fine_id AND source_balance IS NOT NULL AND CAST(:balance_change AS numeric) <> before.balance_change
)
SELECT count(*) FROM before;
