-- requires: staged_libraries
-- Stages the libraries that the file of a source names (:libraries, JSON: names by code), if neither the reading nor the ledger
-- has them.
INSERT INTO staged_libraries (line, code, id, name)
SELECT row_number() OVER (), code, code, name FROM jsonb_each_text(CAST(:libraries AS jsonb)) AS named (code, name)
WHERE code NOT IN (SELECT code FROM staged_libraries WHERE code IS NOT NULL)
  AND code NOT IN (SELECT code FROM libraries);
