-- Records what a person decided about events that wait: they are tried again, or are done. Returns those about which something was left
-- to decide. The balance that the person has seen in the
-- system (:balance; NULL: none) becomes what the source said, so that the next reading sees no change. An unknown event that is tried
-- again stays unknown: its request may still arrive.
WITH decided AS (
    UPDATE outbox_events SET state = CASE WHEN :decision = 'done' THEN 'done' WHEN state = 'unknown' THEN state ELSE 'pending' END,
                             decision = :decision, decided_by = :person, decided_at = now()
    WHERE id = ANY (CAST(:ids AS bigint[])) AND (state IN ('refused', 'unknown') OR state = 'shown' AND :decision = 'retry'
                        OR state = 'pending' AND :decision = 'done')
    RETURNING id, fine_id
), said AS (
    UPDATE fines SET source_balance = CAST(:balance AS numeric)
    FROM decided WHERE fines.id = decided.fine_id AND CAST(:balance AS numeric) IS NOT NULL
)
SELECT id FROM decided;
