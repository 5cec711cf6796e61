-- Drops the foreign keys between the tables until `restore_references` checks all rows together, since the check row by
-- row takes longer than the load itself. Fines are copied before the entries that charge them, so that they are not required
-- either. The tables stay locked until then.
DO $$
DECLARE
    reference record;
BEGIN
    CREATE TEMPORARY TABLE dropped_references ON COMMIT DROP AS
        SELECT conrelid::regclass::text AS of_table, conname AS name, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('users'::regclass, 'identifiers'::regclass, 'items'::regclass, 'fines'::regclass);
    FOR reference IN SELECT * FROM dropped_references LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.of_table, reference.name);
    END LOOP;
    ALTER TABLE fines DISABLE TRIGGER require_charge;
END $$
