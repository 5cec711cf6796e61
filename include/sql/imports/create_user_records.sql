-- Creates the table of the records of a file that name a user and have no id of a fine, for one transaction.
CREATE TEMPORARY TABLE user_records (
    number     integer NOT NULL,
    line       integer NOT NULL,
    identifier text    NOT NULL,
    reference  text,
    currency   text,
    sum        text    NOT NULL,
    amount     numeric NOT NULL
) ON COMMIT DROP;
