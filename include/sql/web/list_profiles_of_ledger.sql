-- The codes of the profiles that have unfinished batches or files of payments; some may not be profiles any more.
SELECT profile FROM batches WHERE closed_at IS NULL AND released_at IS NULL
UNION
SELECT profile FROM import_files;
