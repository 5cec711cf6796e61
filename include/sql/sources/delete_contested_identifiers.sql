-- requires: identifier_claims
-- Takes identifiers that several users claim away from the user who has them.
DELETE FROM identifiers USING (SELECT type, value FROM identifier_claims GROUP BY type, value HAVING count(*) > 1) AS contested
WHERE identifiers.type = contested.type AND identifiers.value = contested.value;
