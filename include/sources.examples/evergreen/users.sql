-- Evergreen: all patrons. ident_value2 is where many libraries have the number that the bursar knows.
-- psql --csv --file=users.sql --output=users.csv
SELECT patron.id AS user_id, patron.usrname AS primary_id, patron.family_name AS last_name,
       patron.first_given_name AS first_name, profile.name AS user_group, CAST(patron.expire_date AS date) AS expiry_date,
       NULL AS purge_date, card.barcode AS "identifier:BARCODE", patron.ident_value2 AS "identifier:02"
FROM actor.usr AS patron
JOIN permission.grp_tree AS profile ON profile.id = patron.profile
LEFT JOIN actor.card AS card ON card.id = patron.card
WHERE NOT patron.deleted
