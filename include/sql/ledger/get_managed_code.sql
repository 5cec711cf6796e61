-- The code of a profile that is managed in the pages, whatever its case.
SELECT code FROM profile_revisions WHERE lower(code) = lower(:code) LIMIT 1;
