-- Writes one entry of the desk's into the journal; its trigger carries the change into the fine.
INSERT INTO journal (fine_id, kind, balance_change, comment) VALUES (:fine_id, :kind, :balance_change, :comment);
