-- The newest lists of fines that were uploaded in the pages.
SELECT id, name, cardinality(fine_ids) AS fines, uploaded_by, uploaded_at FROM fine_lists ORDER BY id DESC LIMIT 20;
