-- Records that the archiving of an arrival has ended, the path of the file (NULL if it was taken or replaced, or stays) and what
-- a person has to know. A path that another worker has recorded remains; so does an arrival that has become another file's.
UPDATE file_arrivals
SET archived_at = coalesce(archived_at, clock_timestamp()), archived_path = coalesce(archived_path, :archived_path),
    warning = coalesce(:warning, warning)
WHERE id = :arrival_id AND file_id = :file_id;
