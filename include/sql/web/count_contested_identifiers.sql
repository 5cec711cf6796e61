-- How many identifiers several users claim, and how often they are claimed; at most :limit identifiers are counted.
SELECT count(*) AS identifiers, coalesce(sum(users), 0)::bigint AS users
FROM (SELECT count(*) AS users FROM contested_identifiers GROUP BY type, value LIMIT :limit) AS contested;
