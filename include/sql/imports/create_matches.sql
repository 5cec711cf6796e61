-- Where apply_parse.sql puts what it found for each record of a file, for the length of a transaction.
CREATE TEMPORARY TABLE matches (
    number     integer NOT NULL,
    partition_number      integer NOT NULL,    -- that its fine is in; 0 without one, -1 if it has its outcome already
    currency   text,                -- as the file gives it
    amount     numeric,
    fine_id    bigint,
    matched_id text,
    batch_id   bigint,
    exported   numeric,             -- the amount of the line
    outcome    text,
    reason     text
) ON COMMIT DROP;
