-- Records that a share is done, in the transaction that does it. Nothing is inserted if it was done before; where another
-- transaction is at it, this waits for its end.
INSERT INTO done_shares (work, subject_id, share, shares) VALUES (:work, :subject_id, :share, :shares) ON CONFLICT DO NOTHING;
