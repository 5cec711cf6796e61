-- Records who has seen the rows of a load. The first person stays.
UPDATE loads SET seen_by = :person, seen_at = now() WHERE id = :load AND seen_at IS NULL;
