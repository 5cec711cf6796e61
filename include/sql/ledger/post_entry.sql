-- Posts an entry that moves no money; the journal's trigger updates the fine.
INSERT INTO journal_entries (fine_id, entry_type, comment, posted_by) VALUES (:fine_id, :entry_type, :comment, :posted_by);
