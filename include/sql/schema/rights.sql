-- What the role of the DAGs may do in the ledger: what the statements of include/sql need, and nothing else. {role} is
-- that role's name. No table is its own, so it can make, change or drop none; what is written in the journal stays.
-- This runs after every migration, by the owner. A new statement that is refused here in the tests needs a line below.

-- The journal moves fines with its owner's rights, whoever writes to it. Nobody else moves a balance.
ALTER FUNCTION journal_moves_fines() SECURITY DEFINER SET search_path = public, pg_temp;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role};
GRANT USAGE ON SCHEMA public TO {role};

-- Users and what they owe, as loaded from the library system.
GRANT SELECT, INSERT, UPDATE ON user_groups, libraries, users, items TO {role};
GRANT SELECT, INSERT, DELETE ON identifiers TO {role};
GRANT USAGE ON SEQUENCE users_id_seq TO {role};
GRANT SELECT, INSERT, UPDATE (reverses, comment) ON fines TO {role};
GRANT MAINTAIN ON fines TO {role};                       -- LOCK TABLE; the right exists since PostgreSQL 17
GRANT SELECT, INSERT ON journal TO {role};

-- Exports.
GRANT SELECT, INSERT, UPDATE ON batches TO {role};
GRANT USAGE ON SEQUENCE batches_id_seq TO {role};
GRANT SELECT, INSERT, UPDATE (identifier, patron_name, comment) ON lines TO {role};   -- a deleted user is taken out
GRANT SELECT ON exported_fines TO {role};
GRANT SELECT, INSERT, UPDATE ON resends TO {role};
GRANT SELECT, INSERT, UPDATE (last_block_at, removed_at) ON upload_attempts TO {role};
GRANT USAGE ON SEQUENCE upload_attempts_id_seq TO {role};
GRANT SELECT, INSERT, DELETE ON claims TO {role};
GRANT SELECT, UPDATE ON transaction_ids TO {role};
GRANT SELECT, INSERT ON closed_shares TO {role};

-- Imports.
GRANT SELECT, INSERT, UPDATE, DELETE ON sightings, import_records TO {role};
GRANT SELECT, INSERT, UPDATE ON import_files, arrivals TO {role};

-- Users who leave, and debts that are given up.
GRANT SELECT ON active_fines, debts TO {role};
GRANT SELECT, INSERT ON user_jobs, user_job_verdicts TO {role};
GRANT USAGE ON SEQUENCE user_jobs_id_seq TO {role};

-- What each run did.
GRANT SELECT, INSERT, UPDATE, DELETE ON job_reports, job_stages TO {role};   -- old ones are forgotten

-- Who was told what, what is watched, and who approved what. What a person answered is not taken back.
GRANT SELECT, INSERT ON tellings TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON watched TO {role};
GRANT SELECT, INSERT, UPDATE (answer, answered_by, answered_at, times_asked) ON approvals TO {role};
