-- requires: staged_fines
-- Returns whether the ledger has fines of the file that a person loaded from files of no source.
SELECT :source <> '' AND EXISTS (
    SELECT FROM staged_fines JOIN fines ON fines.source_id = staged_fines.fine_id AND fines.source = '');
