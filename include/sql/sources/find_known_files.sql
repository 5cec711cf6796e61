-- requires: known_files, listing
-- Finds the files of a source's folder that have been loaded before; where files stay in the folder, those that have been refused,
-- too.
INSERT INTO known_files (name, size, modified)
SELECT DISTINCT listing.name, listing.size, listing.modified
FROM loads
CROSS JOIN LATERAL jsonb_to_recordset(loads.files) AS file (name text, size bigint, modified timestamptz)
JOIN listing ON (listing.name, listing.size, listing.modified) = (file.name, file.size, file.modified)
WHERE loads.source = substr(CAST(:profile AS text), length('source:') + 1) AND (NOT loads.is_refused OR :files_stay)
  AND listing.modified > 'epoch';                         -- some servers list no times
