-- requires: matches
-- Matches each record of a file with a line that its own profile exported, or that another one sent for a charge of its own: by
-- transaction id, else by internal id, and a record without ids by the fine that was found for its user. Lines of other profiles
-- match nothing, nor do those of released batches, which were not billed. An unusable record gets its outcome and reason here, and
-- so does the confirmation of a reversal, which pays nothing. A sum with more decimals than its currency has is unusable, except
-- for a line that was exported with such an amount.
INSERT INTO matches (number, partition_number, currency, amount, fine_id, matched_id, batch_id, exported, outcome, reason)
SELECT record.number,
    CASE WHEN record.outcome IS NULL THEN coalesce(by_transaction.fine_id, by_fine.fine_id, 0) % :partition_count ELSE -1 END,
    record.currency, record.amount,
    coalesce(by_transaction.fine_id, by_fine.fine_id),
    coalesce(by_transaction.transaction_id, by_fine.transaction_id), coalesce(by_transaction.batch_id, by_fine.batch_id),
    coalesce(by_transaction.amount, by_fine.amount),
    CASE
        WHEN record.problem IS NOT NULL OR record.amount IS NULL
             OR num_nonnulls(record.transaction_id, record.internal_id, record.fine_id) = 0 THEN 'INVALID'
        WHEN by_transaction.fine_id IS NULL AND by_fine.fine_id IS NULL THEN 'UNMATCHED'
        WHEN record.currency <> coalesce(by_transaction.currency, by_fine.currency) THEN 'CURRENCY_MISMATCH'
        WHEN by_transaction.reversal THEN 'NO_PAYMENT'
        WHEN fineness.is_too_fine THEN 'INVALID'
    END,
    CASE
        WHEN record.problem IS NOT NULL THEN record.problem
        WHEN record.sum IS NULL THEN 'there is no sum'
        WHEN record.sum ~ '^[+-]?[0-9]{1,11}[.][0-9]{4,}$' THEN 'the sum has more decimals than any currency: ask for a rounded sum'
        WHEN record.sum ~ '^[+-]?0*[1-9][0-9]{11}' THEN 'the sum is too large: amounts have at most 11 digits before the point'
        WHEN record.amount IS NULL THEN 'the sum is no amount of money: write digits and a point, as in 12.50'
        WHEN num_nonnulls(record.transaction_id, record.internal_id, record.fine_id) = 0
            THEN 'there is neither a transaction id nor an internal id'
        WHEN by_transaction.fine_id IS NULL AND by_fine.fine_id IS NULL AND of_another.profile IS NOT NULL
            THEN 'the profile ' || of_another.profile || ' exported this fine, so a file for ' || CAST(:profile AS text) || ' does not pay it'
        WHEN by_transaction.fine_id IS NULL AND by_fine.fine_id IS NULL THEN 'no exported fine has this id'
        WHEN record.currency <> coalesce(by_transaction.currency, by_fine.currency)
            THEN 'the fine was exported in ' || coalesce(by_transaction.currency, by_fine.currency)
        WHEN by_transaction.reversal
            THEN 'this is the reversal of transaction ' || by_transaction.reversed_transaction_id || ', and pays nothing'
        WHEN fineness.is_too_fine
            THEN 'the sum ' || trim_scale(record.amount) || ' has more decimals than ' || coalesce(by_transaction.currency, by_fine.currency)
                 || ', which has ' || fineness.decimals || ': ask the bursar for a rounded sum'
    END
FROM (
    SELECT number, transaction_id, internal_id, currency, sum, problem, outcome,
           CASE WHEN sum ~ '^[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?$' THEN CAST(sum AS numeric(14, 3)) END AS amount,
           CASE WHEN internal_id ~ '^[0-9]{1,18}$' THEN CAST(internal_id AS bigint) ELSE found_fine_id END AS fine_id
    FROM import_records WHERE file_id = :file_id
    OFFSET 0  -- so that the planner parses each value once
) AS record
LEFT JOIN LATERAL (
    SELECT batch_lines.batch_id, batch_lines.fine_id, batch_lines.transaction_id, batch_lines.currency, batch_lines.amount, batch_lines.reversal,
           batch_lines.reversed_transaction_id
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE batch_lines.transaction_id = record.transaction_id AND (batches.profile = :profile OR batch_lines.charge_profile = :profile)
          AND batches.released_at IS NULL
) AS by_transaction ON true
LEFT JOIN LATERAL (
    SELECT batch_lines.batch_id, batch_lines.fine_id, batch_lines.transaction_id, batch_lines.currency, batch_lines.amount
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE by_transaction.fine_id IS NULL AND batch_lines.fine_id = record.fine_id AND NOT batch_lines.reversal
          AND (batches.profile = :profile OR batch_lines.charge_profile = :profile) AND batches.released_at IS NULL
    ORDER BY batch_lines.batch_id DESC LIMIT 1
) AS by_fine ON true
LEFT JOIN LATERAL (
    SELECT batches.profile
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE by_transaction.fine_id IS NULL AND by_fine.fine_id IS NULL
          AND (batch_lines.transaction_id = record.transaction_id OR batch_lines.fine_id = record.fine_id)
          AND batches.profile <> :profile AND batches.released_at IS NULL
    ORDER BY batch_lines.transaction_id = record.transaction_id DESC NULLS LAST LIMIT 1
) AS of_another ON true
LEFT JOIN LATERAL (
    SELECT decimals, record.amount <> round(record.amount, decimals)
                     AND round(coalesce(by_transaction.amount, by_fine.amount), decimals) = coalesce(by_transaction.amount, by_fine.amount)
                     AS is_too_fine
    FROM (SELECT coalesce(CAST(CAST(:decimals AS jsonb) ->> coalesce(by_transaction.currency, by_fine.currency) AS integer), 2)) AS of_currency (decimals)
) AS fineness ON true;
