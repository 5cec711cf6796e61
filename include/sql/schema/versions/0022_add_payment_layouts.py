"""Adds what payment layouts need: fines that are found by their users, payments of earlier files, and parts of sums."""

from alembic import op

revision = "0022"
down_revision = "0021"

SQL = """
ALTER TABLE import_files
    ADD COLUMN layout text,                     -- the layout by which it was read; NULL: XML
    ADD COLUMN user_matching text
        CONSTRAINT user_matching_is_known CHECK (user_matching IN ('reference', 'oldest_first')),
    ADD COLUMN has_payment_keys boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN import_files.user_matching IS 'how a record without ids finds fines of its user; NULL: not at all';

ALTER TABLE import_records
    ADD COLUMN identifier text,                 -- of the user
    ADD COLUMN reference text,                  -- the barcode of the item
    ADD COLUMN paid_on date,
    ADD COLUMN payment_key text,                -- equal in records of several files that report the same payment
    ADD COLUMN sum_of_file text,                -- of which this record is a part
    ADD COLUMN found_fine_id bigint,            -- found by user and item, or by the division of a sum
    DROP CONSTRAINT outcome_is_known,
    ADD CONSTRAINT outcome_is_known CHECK (outcome IN (
        'PAID', 'PARTLY_PAID', 'OVERPAID', 'OVERPAID_HELD', 'PAYMENT_REVERSED', 'ALREADY_SETTLED', 'NO_PAYMENT',
        'REPEATED', 'UNMATCHED', 'AMBIGUOUS', 'CURRENCY_MISMATCH', 'INVALID'));
COMMENT ON COLUMN import_records.found_fine_id IS 'references fines';

CREATE INDEX import_records_payment_key ON import_records (payment_key) WHERE payment_key IS NOT NULL;
CREATE INDEX import_records_identifier ON import_records (identifier) WHERE identifier IS NOT NULL;

DROP INDEX import_records_rejects;
CREATE INDEX import_records_rejects ON import_records (file_id, number)
    WHERE outcome NOT IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'REPEATED') OR already_settled <> 0;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
