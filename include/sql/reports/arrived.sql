-- The files that arrived in a run of a profile, by the names that they had there, and whether this run applied them.
SELECT import_files.id, arrivals.name, import_files.records, import_files.outcomes, import_files.applied_at,
       coalesce(import_files.applied_by = arrivals.run, false) AS applied_here
FROM arrivals JOIN import_files ON import_files.id = arrivals.file_id
WHERE arrivals.profile = :profile AND arrivals.run = :run
ORDER BY arrivals.id;
