-- Creates the table that the checks of a load fill; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE row_errors (
    file    text    NOT NULL,
    line    integer NOT NULL,
    message text    NOT NULL
) ON COMMIT DROP;
