-- requires: known_files, listing
-- Finds the files of a folder that have been applied and archived before; where files stay in the folder, those that have been
-- rejected, too.
INSERT INTO known_files (name, size, modified)
SELECT DISTINCT file_arrivals.name, file_arrivals.size, file_arrivals.modified
FROM listing
JOIN file_arrivals ON (file_arrivals.name, file_arrivals.size, file_arrivals.modified) = (listing.name, listing.size, listing.modified)
JOIN import_files ON import_files.id = file_arrivals.file_id
WHERE file_arrivals.profile = :profile AND file_arrivals.archived_at IS NOT NULL
  AND (import_files.applied_at IS NOT NULL OR :files_stay AND import_files.rejected_at IS NOT NULL)
  AND file_arrivals.modified > 'epoch';                   -- some servers list no times
