-- Creates the table that `select_candidates` fills; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE candidates (
    fine_id    bigint  NOT NULL,
    user_id    bigint  NOT NULL,
    currency   text    NOT NULL,
    amount     numeric NOT NULL,
    reversal   boolean NOT NULL,    -- of an amount that was settled at the library, not of the balance
    is_reversal boolean NOT NULL,    -- reverses a charge that the bursar of this profile holds: reversals, and some credits
    identifier text,
    reason     text
) ON COMMIT DROP;
