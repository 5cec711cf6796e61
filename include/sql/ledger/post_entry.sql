-- Writes an entry that moves no money into the journal; its trigger carries it into the fine.
INSERT INTO journal_entries (fine_id, entry_type, comment) VALUES (:fine_id, :entry_type, :comment);
