-- requires: named_lines, stated_lines
-- Finds the exported fine that each line names: by its transaction id, else by its internal id. Lines of released batches, which were
-- not billed, and of other profiles are not found. A line without ids is looked for later, by its user.
INSERT INTO named_lines (number, line, transaction_id, fine_id, identifier, reference, currency, amount, is_invalid, reason)
SELECT stated.number, stated.line,
       coalesce(by_transaction.transaction_id, by_fine.transaction_id, stated.transaction_id, stated.internal_id),
       coalesce(by_transaction.fine_id, by_fine.fine_id), stated.identifier, stated.reference, stated.currency,
       coalesce(stated.amount, 0), stated.problem IS NOT NULL OR stated.amount IS NULL,
       CASE
           WHEN stated.problem IS NOT NULL THEN stated.problem
           WHEN stated.sum ~ '^[+-]?0*[1-9][0-9]{11}' THEN 'the sum is too large: amounts have at most 11 digits before the point'
           WHEN stated.amount IS NULL THEN 'the sum is no amount of money'
           WHEN num_nonnulls(stated.transaction_id, stated.internal_id) = 0 THEN NULL
           WHEN by_transaction.fine_id IS NOT NULL OR by_fine.fine_id IS NOT NULL THEN NULL
           WHEN of_another.profile IS NOT NULL THEN 'the profile ' || of_another.profile || ' exported this fine'
           ELSE 'no exported fine has this id'
       END
FROM (
    SELECT number, line, transaction_id, internal_id, identifier, reference, currency, problem, sum,
           CASE WHEN sum ~ '^[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?$' THEN CAST(sum AS numeric(14, 3)) END AS amount,
           CASE WHEN internal_id ~ '^[0-9]{1,18}$' THEN CAST(internal_id AS bigint) END AS fine_id
    FROM stated_lines
    OFFSET 0  -- so that the planner parses each value once
) AS stated
LEFT JOIN LATERAL (
    SELECT batch_lines.fine_id, batch_lines.transaction_id
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE batch_lines.transaction_id = stated.transaction_id AND batches.released_at IS NULL
          AND (batches.profile = :profile OR batch_lines.charge_profile = :profile)
) AS by_transaction ON true
LEFT JOIN LATERAL (
    SELECT batch_lines.fine_id, batch_lines.transaction_id
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE by_transaction.fine_id IS NULL AND batch_lines.fine_id = stated.fine_id AND NOT batch_lines.reversal
          AND batches.released_at IS NULL AND (batches.profile = :profile OR batch_lines.charge_profile = :profile)
    ORDER BY batch_lines.batch_id DESC LIMIT 1
) AS by_fine ON true
LEFT JOIN LATERAL (
    SELECT batches.profile
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE by_transaction.fine_id IS NULL AND by_fine.fine_id IS NULL AND batches.released_at IS NULL
          AND (batch_lines.transaction_id = stated.transaction_id OR batch_lines.fine_id = stated.fine_id)
          AND batches.profile <> :profile
    LIMIT 1
) AS of_another ON true;
