-- Creates the table for the decisions about fines; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE candidate_fines (
    fine_id     bigint  PRIMARY KEY,
    user_id     bigint  NOT NULL,
    currency    text    NOT NULL,
    balance     numeric NOT NULL,   -- the amount that is waived, or would be: its part at the library
    outstanding numeric NOT NULL,   -- and its part at the bursar
    reason      text                -- why the fine is not waived; NULL: it is waived
) ON COMMIT DROP;
