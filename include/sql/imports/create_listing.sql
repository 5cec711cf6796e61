-- Creates the table of the files in a folder and of their done files, for one transaction.
CREATE TEMPORARY TABLE listing (
    name       text        NOT NULL,
    size       bigint      NOT NULL,
    modified   timestamptz NOT NULL,
    is_payment boolean     NOT NULL          -- else a done file
) ON COMMIT DROP;
