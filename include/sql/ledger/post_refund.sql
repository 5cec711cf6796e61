-- Refunds money that was paid at the library. The charge is given up with it, so that nobody is billed for it again.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, comment)
VALUES (:fine_id, 'REFUNDED', :amount, :comment), (:fine_id, 'WAIVED', -CAST(:amount AS numeric), :comment);
