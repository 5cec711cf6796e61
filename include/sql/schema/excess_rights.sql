-- The rights of the role that the ledger's owner can't take away, and with which the role could get around all others.
SELECT reason, remedy FROM (VALUES
    ((SELECT rolsuper FROM pg_roles WHERE rolname = %(role)s), 'it is a superuser', 'Use a plain role'),
    (pg_has_role(%(role)s, (SELECT relowner FROM pg_class WHERE oid = 'public.journal_entries'::regclass), 'MEMBER'),
     'it is the owner of the ledger, or a member of that role', 'Use another role'),
    (EXISTS (SELECT FROM pg_roles WHERE pg_has_role(%(role)s, oid, 'MEMBER') AND rolname IN (
         'pg_write_all_data', 'pg_maintain', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')),
     'it is a member of a predefined role that may write all data, or reach files and programs of the server',
     'Revoke that membership'),
    (has_schema_privilege(%(role)s, 'public', 'CREATE'), 'it may create objects in the schema public',
     'Revoke CREATE on that schema, in the role of the schema''s owner')
) AS excess (found, reason, remedy)
WHERE found;
