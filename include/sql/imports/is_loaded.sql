-- Returns whether the file with these bytes has been loaded or rejected.
SELECT EXISTS (SELECT FROM import_files WHERE sha256 = :sha256 AND state <> 'REGISTERED');
