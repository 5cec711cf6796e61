-- Where judge.sql puts its verdicts, for the length of a transaction.
CREATE TEMPORARY TABLE candidates (
    fine_id    bigint  NOT NULL,
    user_id    bigint  NOT NULL,
    currency   text    NOT NULL,
    amount     numeric NOT NULL,
    reversal   boolean NOT NULL,    -- of what was settled at the library, and not of the balance
    is_reversal boolean NOT NULL,    -- from the bursar of this profile, as reversals do and some credits
    identifier text,
    reason     text
) ON COMMIT DROP;
