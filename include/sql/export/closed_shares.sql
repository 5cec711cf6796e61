-- The shares of a batch that are closed: into how many it was divided (NULL: none is closed), and the fines in them. `uneven`
-- tells that not all were divided alike.
SELECT max(shares) AS shares, coalesce(sum(fines), 0) AS fines, coalesce(min(shares) <> max(shares), false) AS uneven
FROM closed_shares WHERE batch_id = :batch_id;
