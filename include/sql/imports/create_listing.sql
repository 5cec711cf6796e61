-- Where the files of a folder and their markers lie for the length of a transaction.
CREATE TEMPORARY TABLE listing (
    name       text        NOT NULL,
    size       bigint      NOT NULL,
    modified   timestamptz NOT NULL,
    is_payment boolean     NOT NULL          -- else a marker
) ON COMMIT DROP;
