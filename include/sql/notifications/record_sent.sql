-- Takes down that recipients were told something, once.
INSERT INTO sent_notifications (dedup_key, recipient) SELECT :dedup_key, unnest(CAST(:recipients AS text[])) ON CONFLICT DO NOTHING;
