-- requires: listed_fines
-- Stores a checked list of fines, and returns its number; an empty list is not stored.
INSERT INTO fine_lists (name, fine_ids, uploaded_by)
SELECT :name, array_agg(fine_id ORDER BY line), :by FROM listed_fines HAVING count(*) > 0
RETURNING id;
