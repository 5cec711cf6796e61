-- requires: matches
-- Posts the payments of a partition, one journal entry a record; that of a reversed payment has the opposite sign. The trigger
-- changes the outstanding amounts and the states of the fines. Posts in the order of the fines, which suits the indexes.
INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, import_file_id, import_record)
SELECT records.fine_id, 'PAID_AT_BURSAR', -records.applied, records.file_id, records.number
FROM matches JOIN import_records AS records ON records.number = matches.number
WHERE matches.partition_number = :partition_number AND records.file_id = :file_id AND records.applied IS NOT NULL
ORDER BY records.fine_id, records.number;
