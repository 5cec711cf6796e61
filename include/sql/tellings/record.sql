-- Takes down that recipients were told something, once.
INSERT INTO tellings (what, recipient) SELECT :what, unnest(CAST(:recipients AS text[])) ON CONFLICT DO NOTHING;
