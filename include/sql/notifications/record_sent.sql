-- Records that recipients have received a notification, once.
INSERT INTO sent_notifications (dedup_key, recipient) SELECT :dedup_key, unnest(CAST(:recipients AS text[])) ON CONFLICT DO NOTHING;
