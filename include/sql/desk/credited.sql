-- How much of a charge credits have taken back so far, as a positive sum. Credits for what was paid too much take nothing back.
SELECT coalesce(-sum(amount), 0) FROM fines
WHERE reverses = :fine_id
  AND NOT EXISTS (SELECT FROM journal WHERE journal.fine_id = fines.id AND kind = 'CHARGED' AND import_file_id IS NOT NULL);
