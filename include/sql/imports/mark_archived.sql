-- Records that the archiving of an arrival has ended: the path of the file (NULL if it was removed or replaced, or stays) and a
-- warning, beside those about its loading. Keeps a path that another worker has recorded. Does nothing if the arrival has another
-- file by now.
UPDATE file_arrivals
SET archived_at = coalesce(archived_at, clock_timestamp()), archived_path = coalesce(archived_path, :archived_path),
    warning = CASE WHEN strpos(warning, CAST(:warning AS text)) > 0 THEN warning
                   ELSE nullif(concat_ws(' ', warning, CAST(:warning AS text)), '') END
WHERE id = :arrival_id AND file_id = :file_id;
