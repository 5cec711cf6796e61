-- One resend, which nobody else changes until this transaction ends.
SELECT state, part_name FROM resends WHERE id = :id FOR UPDATE;
