-- Where judge_users.sql puts its verdicts, for the length of a transaction.
CREATE TEMPORARY TABLE candidate_users (
    user_id bigint PRIMARY KEY,
    reason  text,               -- why the user is kept; NULL: is purged
    waives  boolean NOT NULL    -- whether what the user owes is waived
) ON COMMIT DROP;
