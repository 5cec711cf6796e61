-- requires: known_files, listing
-- Finds the statements in a folder that have been compared and archived before; where files stay in the folder, those that have been
-- rejected, too.
INSERT INTO known_files (name, size, modified)
SELECT DISTINCT listing.name, listing.size, listing.modified
FROM listing JOIN statements ON (statements.name, statements.size, statements.modified) = (listing.name, listing.size, listing.modified)
WHERE statements.profile = substr(CAST(:profile AS text), length('statement:') + 1) AND statements.archived_at IS NOT NULL
  AND (statements.compared_at IS NOT NULL OR :files_stay)
  AND listing.modified > 'epoch';                         -- some servers list no times
