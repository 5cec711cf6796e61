"""Users, fines, the journal, and the batches that exports leave behind."""
