-- How far a system was read: the moments of the last loaded reading and of the last complete one.
SELECT read_at, complete_at FROM system_sources WHERE source = :source;
