-- A purge finds the users who are due, and those who have no date, without asking all others.
CREATE INDEX users_purge_date ON users (purge_date) WHERE deleted_at IS NULL;
CREATE INDEX users_expiry_date ON users (expiry_date) WHERE deleted_at IS NULL;
