-- The files of exports that have ended, by their staging folder: the bursar has them, or nobody.
SELECT profile, file_name FROM batches WHERE closed_at IS NOT NULL OR released_at IS NOT NULL;
