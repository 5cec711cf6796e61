-- requires: staged_users
-- Finds the users of a file in the ledger: by the library system's own id of a user (:id_type), or else by the primary id. A user
-- who has another id of that system is another user.
CREATE TEMPORARY TABLE incoming_users ON COMMIT DROP AS
SELECT given.line, given.primary_id, given.user_id AS source_user_id,
       coalesce(by_id.user_id, CASE WHEN given.user_id IS NULL OR own.value IS NULL THEN by_name.user_id END) AS known_id,
       by_name.user_id AS holder_id, CAST(NULL AS bigint) AS id
FROM staged_users AS given
LEFT JOIN identifiers AS by_id ON by_id.type = :id_type AND by_id.value = given.user_id
LEFT JOIN identifiers AS by_name ON by_name.type = 'userName' AND by_name.value = given.primary_id
LEFT JOIN identifiers AS own ON own.user_id = by_name.user_id AND own.type = :id_type
WHERE given.fault_reason IS NULL;
