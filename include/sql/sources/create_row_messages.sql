-- Creates the table that the checks of a load fill; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE row_messages (
    kind        text    NOT NULL,    -- rejected, deferred or warning
    code        text    NOT NULL,
    of_table    text    NOT NULL,    -- groups, libraries, users or fines
    line        integer,             -- negative: a row that an earlier load deferred; NULL: none is in the files
    source_id   text,
    fine_id     bigint,
    field       text,
    value       text,
    reason      text    NOT NULL,
    remedy      text    NOT NULL
) ON COMMIT DROP;
