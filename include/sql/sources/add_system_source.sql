-- Adds a system when it is used for the first time. It is not informed of the entries that the journal has by then.
INSERT INTO system_sources (source, collected_to, seen_to)
SELECT :source, newest.id, newest.id FROM (SELECT coalesce(max(id), 0) AS id FROM journal_entries) AS newest
ON CONFLICT DO NOTHING;
