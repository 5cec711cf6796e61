-- Creates the tables of the entries of a folder, for one transaction: files that are wanted, their done files, and with a reason
-- those that are not taken; and of the files that were loaded before.
CREATE TEMPORARY TABLE listing (
    name       text        NOT NULL,
    size       bigint      NOT NULL,
    modified   timestamptz NOT NULL,
    is_wanted  boolean     NOT NULL,
    reason     text,                         -- why an entry is not taken
    is_odd     boolean     NOT NULL          -- whether it might be meant, and cannot be used
) ON COMMIT DROP;
CREATE TEMPORARY TABLE known_files (name text NOT NULL, size bigint NOT NULL, modified timestamptz NOT NULL) ON COMMIT DROP;
