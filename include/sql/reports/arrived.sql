-- The files that arrived in a run of a profile, by the names that they had there, whether this run applied them, and what a
-- person has to know about their archiving.
SELECT import_files.id, arrivals.name, import_files.records, import_files.outcomes, import_files.applied_at,
       coalesce(import_files.applied_by = arrivals.run, false) AS applied_here,
       arrivals.warning
FROM arrivals JOIN import_files ON import_files.id = arrivals.file_id
WHERE arrivals.profile = :profile AND arrivals.run = :run
ORDER BY arrivals.id;
