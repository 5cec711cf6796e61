-- Writes an entry that moves no money into the journal; its trigger carries it into the fine.
INSERT INTO journal (fine_id, kind, comment) VALUES (:fine_id, :kind, :comment);
