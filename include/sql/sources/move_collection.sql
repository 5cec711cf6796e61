-- Records how far the journal was looked at. An entry may be committed after one with a higher id, so the entries of the last day, and
-- of the day before, are looked at again: no transaction lasts longer.
UPDATE system_sources SET collected_to = seen_to, seen_to = newest.id, seen_at = now()
FROM (SELECT coalesce(max(id), 0) AS id FROM journal_entries) AS newest
WHERE source = :source AND seen_at < now() - interval '1 day';
