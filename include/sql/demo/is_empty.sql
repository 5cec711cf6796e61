-- Whether the ledger holds no record of a library's at all.
SELECT NOT EXISTS (SELECT FROM users)
   AND NOT EXISTS (SELECT FROM items)
   AND NOT EXISTS (SELECT FROM fines)
   AND NOT EXISTS (SELECT FROM libraries)
   AND NOT EXISTS (SELECT FROM user_groups)
