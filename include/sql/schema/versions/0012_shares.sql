-- The closing of a large batch, in shares, each in a transaction of its own.

-- The shares of which the fines are closed, written by the transaction that closes them. They stay: whatever comes late, a
-- share is closed once.
CREATE TABLE closed_partitions (
    batch_id bigint   NOT NULL,
    partition_number    smallint NOT NULL,                      -- that of a fine is its id modulo `shares`
    partition_count   smallint NOT NULL,
    fines    integer  NOT NULL,
    PRIMARY KEY (batch_id, partition_number)
);
