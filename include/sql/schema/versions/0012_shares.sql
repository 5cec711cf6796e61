-- Work on many fines, done in shares, each in a transaction of its own.

-- The shares that are done of a closing (of a batch) or an application (of a file of payments) that is not, so that a repeated
-- task does the others only.
CREATE TABLE done_shares (
    work       text     NOT NULL CHECK (work IN ('close', 'apply')),
    subject_id bigint   NOT NULL,                    -- the batch, or the file
    share      smallint NOT NULL,                    -- that of a fine is its id modulo `shares`
    shares     smallint NOT NULL,
    PRIMARY KEY (work, subject_id, share)
);
