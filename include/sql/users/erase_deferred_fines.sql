-- requires: users_to_delete
-- Deletes the deferred rows of the users' fines: no load may apply them any more.
DELETE FROM deferred_fines USING users_to_delete JOIN fines ON fines.user_id = users_to_delete.user_id
WHERE deferred_fines.source = fines.source AND deferred_fines.source_id = fines.source_id;
