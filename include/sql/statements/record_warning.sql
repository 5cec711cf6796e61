-- Adds a warning about a statement, for the report of the run, once.
UPDATE statements SET warning = concat_ws(' ', warning, :warning)
WHERE id = :statement_id AND strpos(coalesce(warning, ''), :warning) = 0;
