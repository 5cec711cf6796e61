-- Creates the table of the matches of a file, one for each record, for one transaction.
CREATE TEMPORARY TABLE matches (
    number     integer NOT NULL,
    partition_number integer NOT NULL,  -- that of its fine; 0 without a fine, -1 if it has an outcome already
    currency   text,                -- as in the file
    amount     numeric,
    fine_id    bigint,
    matched_id text,
    batch_id   bigint,
    exported   numeric,             -- the amount of the line
    outcome    text,
    reason     text
) ON COMMIT DROP;
