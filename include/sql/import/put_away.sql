-- Records that the archiving of an arrival has ended, the path of the file (NULL if it was taken or replaced, or stays) and what
-- a person has to know. A path that another worker has recorded remains; so does an arrival that has become another file's.
UPDATE arrivals
SET put_away_at = coalesce(put_away_at, clock_timestamp()), put_away_to = coalesce(put_away_to, :put_away_to),
    warning = coalesce(:warning, warning)
WHERE id = :arrival_id AND file_id = :file_id;
