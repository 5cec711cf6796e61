-- Takes down that a batch waits for a person, and why; asked again, it stays as it is.
INSERT INTO approvals (batch_id, reasons) VALUES (:batch_id, :reasons) ON CONFLICT DO NOTHING;
