-- Where judge.sql puts its verdicts, for the length of a transaction.
CREATE TEMPORARY TABLE judged (
    fine_id    bigint  NOT NULL,
    user_id    bigint  NOT NULL,
    currency   text    NOT NULL,
    balance    numeric NOT NULL,
    identifier text,
    reason     text
) ON COMMIT DROP;
