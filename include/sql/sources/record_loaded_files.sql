-- Records the files of a source's folder that a load has read, or for which it was refused.
INSERT INTO loaded_files (source, name, size, modified, is_refused)
SELECT :source, name, size, modified, :is_refused
FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS file (name text, size bigint, modified timestamptz)
WHERE true                                                -- else ON would belong to the table before it
ON CONFLICT (source, name) DO UPDATE SET size = EXCLUDED.size, modified = EXCLUDED.modified, is_refused = EXCLUDED.is_refused;
