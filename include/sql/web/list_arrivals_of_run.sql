-- The files that arrived in a run of an import, in their order.
SELECT files.id, arrivals.name, files.size, files.sha256, files.state, files.records, files.outcomes, files.rejection,
       arrivals.archived_path, coalesce(files.applied_by_run_id = arrivals.run_id, false) AS applied_here
FROM file_arrivals AS arrivals JOIN import_files AS files ON files.id = arrivals.file_id
WHERE arrivals.profile = :profile AND arrivals.run_id = :run_id
ORDER BY arrivals.id;
