-- Since when a user is deleted; no row if there never was one.
SELECT deleted_at FROM users WHERE id = :user_id;
