-- Returns the end of the newest load of a source that was not refused, by a run or a command.
SELECT max(ended_at) FROM loads WHERE source = :profile AND NOT is_refused;
