-- Creates the table that `select_candidate_users` fills; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE candidate_users (
    user_id bigint PRIMARY KEY,
    reason  text,               -- why the user is kept; NULL: the user is purged
    waives  boolean NOT NULL    -- whether the user's debt is waived
) ON COMMIT DROP;
