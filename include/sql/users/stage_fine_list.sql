-- requires: listed_fines
-- Copies a stored list of fines.
INSERT INTO listed_fines (line, fine_id)
SELECT place, fine_id FROM fine_lists CROSS JOIN unnest(fine_ids) WITH ORDINALITY AS listed (fine_id, place)
WHERE fine_lists.id = :number;
