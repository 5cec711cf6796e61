-- requires: references_aside
-- Restores the foreign keys that `set_references_aside` took off, and fails if any row breaks one.
DO $$
DECLARE
    reference record;
BEGIN
    FOR reference IN SELECT * FROM references_aside LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', reference.of_table, reference.name, reference.definition);
    END LOOP;
END $$
