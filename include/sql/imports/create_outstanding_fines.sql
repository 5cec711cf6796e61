-- Creates the table of the outstanding fines that a profile exported for the users of a file, for one transaction.
CREATE TEMPORARY TABLE outstanding_fines (
    identifier     text        NOT NULL,
    item_barcode   text,
    fine_id        bigint      NOT NULL,
    user_id        bigint      NOT NULL,
    transaction_id text        NOT NULL,
    currency       text        NOT NULL,
    outstanding    numeric     NOT NULL,
    created_at     timestamptz NOT NULL
) ON COMMIT DROP;
