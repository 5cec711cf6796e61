-- Takes what staff wrote about the fines of those who leave.
UPDATE fines SET comment = NULL FROM leaving WHERE fines.user_id = leaving.user_id AND fines.comment IS NOT NULL;
