-- Creates the table of the fines that a source takes over; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE fines_to_adopt (fine_id bigint NOT NULL) ON COMMIT DROP;
