-- Lists the files that arrived in a run of a profile: their names then, whether this run applied them, and the warning
-- about their archiving.
SELECT import_files.id, file_arrivals.name, import_files.records, import_files.outcomes, import_files.applied_at,
       coalesce(import_files.applied_by_run_id = file_arrivals.run_id, false) AS applied_here,
       file_arrivals.warning
FROM file_arrivals JOIN import_files ON import_files.id = file_arrivals.file_id
WHERE file_arrivals.profile = :profile AND file_arrivals.run_id = :run_id
ORDER BY file_arrivals.id;
