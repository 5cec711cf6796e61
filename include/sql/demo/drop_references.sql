-- Takes every foreign key off the ledger's tables until `put_references_back`, which checks all rows at once; checked
-- row by row, they would cost more than everything else. Locks the tables, so nobody sees or touches them meanwhile.
DO $$
DECLARE
    reference record;
BEGIN
    CREATE TEMPORARY TABLE references_aside ON COMMIT DROP AS
        SELECT conrelid::regclass::text AS of_table, conname AS name, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('users'::regclass, 'identifiers'::regclass, 'items'::regclass, 'fines'::regclass);
    FOR reference IN SELECT * FROM references_aside LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.of_table, reference.name);
    END LOOP;
END $$
