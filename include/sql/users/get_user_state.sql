-- Returns the moment of a user's deletion, NULL if not deleted; no row if there never was such a user.
SELECT deleted_at FROM users WHERE id = :user_id;
