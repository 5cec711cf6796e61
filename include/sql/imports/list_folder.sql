-- requires: listing
-- Lists the wanted files and odd entries of a folder, oldest first, with the recorded reasons why some are not taken.
SELECT listing.name, listing.size, listing.modified, skipped_entries.reason
FROM listing LEFT JOIN skipped_entries ON skipped_entries.profile = :profile AND skipped_entries.name = listing.name
WHERE listing.is_wanted OR listing.reason IS NOT NULL
ORDER BY listing.modified, listing.name LIMIT :limit;
