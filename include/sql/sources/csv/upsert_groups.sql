-- requires: staged_groups
-- Adds the user groups of the file, and updates the names of known ones.
INSERT INTO user_groups (code, name) SELECT code, name FROM staged_groups
ON CONFLICT (code) DO UPDATE SET name = excluded.name;
