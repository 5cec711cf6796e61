-- Takes a share of a batch, with as many fines as have claims, for the transaction that closes it. Nothing is inserted if it is
-- closed, or others were divided otherwise; where another transaction is at it, this waits for its end.
INSERT INTO closed_shares (batch_id, share, shares, fines)
SELECT :batch_id, :share, :shares, count(*) FROM claims WHERE batch_id = :batch_id AND fine_id % :shares = :share
HAVING NOT EXISTS (SELECT FROM closed_shares WHERE batch_id = :batch_id AND shares <> :shares)
ON CONFLICT DO NOTHING
RETURNING fines;
