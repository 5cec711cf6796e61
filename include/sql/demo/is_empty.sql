-- Returns whether the ledger has no user, item, fine, library or user group.
SELECT NOT EXISTS (SELECT FROM users)
   AND NOT EXISTS (SELECT FROM items)
   AND NOT EXISTS (SELECT FROM fines)
   AND NOT EXISTS (SELECT FROM libraries)
   AND NOT EXISTS (SELECT FROM user_groups)
