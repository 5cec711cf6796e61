-- Where the checks of a load put what they find, for the length of a transaction.
CREATE TEMPORARY TABLE row_errors (
    file    text    NOT NULL,
    line    integer NOT NULL,
    message text    NOT NULL
) ON COMMIT DROP;
