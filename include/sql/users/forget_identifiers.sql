-- Takes the identifiers of those who leave; they can be given to somebody else.
DELETE FROM identifiers USING leaving WHERE identifiers.user_id = leaving.user_id;
