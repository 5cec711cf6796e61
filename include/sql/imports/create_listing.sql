-- Creates the table of the entries of a folder, for one transaction: payment files, their done files, and with a reason those that
-- are not taken.
CREATE TEMPORARY TABLE listing (
    name       text        NOT NULL,
    size       bigint      NOT NULL,
    modified   timestamptz NOT NULL,
    is_payment boolean     NOT NULL,
    reason     text,                         -- why an entry is not taken
    is_odd     boolean     NOT NULL          -- whether it might be a payment file, and cannot be used
) ON COMMIT DROP;
