-- Where the verdicts about fines go, for the length of a transaction.
CREATE TEMPORARY TABLE candidate_fines (
    fine_id     bigint  PRIMARY KEY,
    user_id     bigint  NOT NULL,
    currency    text    NOT NULL,
    balance     numeric NOT NULL,   -- what is waived, or would be: of it at the library
    outstanding numeric NOT NULL,   -- and of it at the bursar
    reason      text                -- why the fine stays; NULL: is waived
) ON COMMIT DROP;
