-- Records how far a system was read, in the transaction of the load.
UPDATE system_sources SET read_at = greatest(read_at, :read_at), complete_at = CASE WHEN :complete THEN :read_at ELSE complete_at END
WHERE source = :source;
