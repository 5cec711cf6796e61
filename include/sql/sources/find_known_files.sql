-- requires: known_files, listing
-- Finds the files of a source's folder that have been loaded before; where files stay in the folder, those that have been refused,
-- too.
INSERT INTO known_files (name, size, modified)
SELECT DISTINCT listing.name, listing.size, listing.modified
FROM listing JOIN loaded_files ON (loaded_files.name, loaded_files.size, loaded_files.modified) = (listing.name, listing.size, listing.modified)
WHERE loaded_files.source = substr(CAST(:profile AS text), length('source:') + 1)
  AND (NOT loaded_files.is_refused OR :files_stay)
  AND listing.modified > 'epoch';                         -- some servers list no times
