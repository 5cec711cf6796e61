-- requires: staged_groups
-- Adds the user groups of the file, and gives known ones its names.
INSERT INTO user_groups (code, name) SELECT code, name FROM staged_groups
ON CONFLICT (code) DO UPDATE SET name = excluded.name;
