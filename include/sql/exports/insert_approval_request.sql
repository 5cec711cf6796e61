-- Records that a batch needs an approval, and why; an earlier record stays as it is.
INSERT INTO approvals (batch_id, reasons) VALUES (:batch_id, :reasons) ON CONFLICT DO NOTHING;
