-- requires: dropped_references
-- Restores the foreign keys, and fails if a row violates one.
DO $$
DECLARE
    reference record;
BEGIN
    FOR reference IN SELECT * FROM dropped_references LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', reference.of_table, reference.name, reference.definition);
    END LOOP;
    ALTER TABLE fines ENABLE TRIGGER require_charge;
END $$
