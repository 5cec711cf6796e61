-- A user: name, group, dates, identifiers, and the debts by currency, at the library and at bursars.
SELECT users.id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS name, users.user_group, users.expiry_date,
       users.purge_date, users.deleted_at,
       ARRAY(SELECT concat(type, ': ', value) FROM identifiers WHERE identifiers.user_id = users.id ORDER BY type) AS identifiers,
       (SELECT jsonb_object_agg(currency, jsonb_build_array(balance::text, outstanding::text))
        FROM (SELECT currency, sum(balance) AS balance, sum(outstanding) AS outstanding
              FROM fines WHERE user_id = users.id AND (balance <> 0 OR outstanding <> 0 OR pending_reversal <> 0)
              GROUP BY currency) AS sums) AS debts
FROM users
WHERE users.id = :user_id;
