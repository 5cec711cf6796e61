-- The libraries, by code.
SELECT code, name FROM libraries ORDER BY code;
