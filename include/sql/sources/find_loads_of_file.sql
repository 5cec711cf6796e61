-- The loads of a source that read a file, first those that were not refused.
SELECT id, is_refused FROM loads WHERE source = :source AND files @> CAST(:file AS jsonb) ORDER BY is_refused, id;
