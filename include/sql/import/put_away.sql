-- Records that an arrival left the folder, and where it lies now; NULL where somebody else took or replaced it.
UPDATE arrivals SET put_away_at = clock_timestamp(), put_away_to = :put_away_to WHERE id = :arrival_id;
