-- Takes a share of a batch, with as many fines as have claims, for the transaction that closes it. Nothing is inserted if it is
-- closed; where another transaction is at it, this waits for its end.
INSERT INTO closed_shares (batch_id, share, shares, fines)
SELECT :batch_id, :share, :shares, count(*) FROM claims WHERE batch_id = :batch_id AND fine_id % :shares = :share
ON CONFLICT DO NOTHING
RETURNING fines;
