-- Records that the archiving of a statement has ended: its path (NULL if it was removed or replaced, or stays) and a warning. Keeps a path
-- that another worker has recorded.
UPDATE statements
SET archived_at = coalesce(archived_at, clock_timestamp()), archived_path = coalesce(archived_path, :archived_path),
    warning = CASE WHEN strpos(warning, CAST(:warning AS text)) > 0 THEN warning
                   ELSE nullif(concat_ws(' ', warning, CAST(:warning AS text)), '') END
WHERE id = :statement_id;
