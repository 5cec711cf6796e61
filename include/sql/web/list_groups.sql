-- The user groups, by code.
SELECT code, name FROM user_groups ORDER BY code;
