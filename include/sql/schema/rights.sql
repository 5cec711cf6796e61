-- The rights of the DAGs' role in the ledger: what the statements of include/sql need, and nothing else. {role} is that role's
-- name. It owns no table and no function, so it can't change or drop one. The ledger's owner runs this after every migration. If
-- the tests reject a new statement, it needs a right below.

REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role};
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {role};
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {role};
DO $do$
DECLARE
    routine regprocedure;
BEGIN   -- only the owner's: an extension may have functions here too
    FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole LOOP
        EXECUTE 'REVOKE ALL ON ROUTINE ' || routine || $revoke$ FROM PUBLIC, {role}$revoke$;
    END LOOP;
END $do$;
GRANT USAGE ON SCHEMA public TO {role};

-- Users and what they owe, as loaded from the library system. The columns of fines that follow from the journal (status, balance,
-- outstanding, pending_reversal, last_transaction_at) can't be written, nor the id of a fine or of a journal entry.
GRANT SELECT, INSERT, UPDATE (name) ON user_groups TO {role};
GRANT SELECT, INSERT, UPDATE (id, name) ON libraries TO {role};
GRANT SELECT, INSERT, UPDATE (last_name, first_name, user_group, expiry_date, purge_date, deleted_at, deleted_by)
    ON users TO {role};
GRANT SELECT, INSERT, DELETE ON identifiers TO {role};
GRANT SELECT, INSERT, UPDATE (title, call_number, library, location, internal_location) ON items TO {role};
GRANT USAGE ON SEQUENCE users_id_seq TO {role};
GRANT SELECT, INSERT (source_id, source, source_amount, source_balance, source_status, user_id, item_id, owner_library, fine_fee_type,
                      currency, amount, vat, comment, item_due_date, created_at, reverses),
      UPDATE (reverses, comment, source, source_amount, source_balance, source_status) ON fines TO {role};
GRANT MAINTAIN ON fines_lock TO {role};                  -- LOCK TABLE; the right exists since PostgreSQL 17
GRANT SELECT, INSERT (fine_id, entry_type, balance_change, outstanding_change, reversal_change, posted_at, batch_id, import_file_id,
                      import_record, comment, posted_by, load_id, moved_to) ON journal_entries TO {role};
GRANT SELECT ON charge_totals, reversed_charges TO {role};

-- Loads.
GRANT SELECT, INSERT, DELETE, UPDATE (seen_by, seen_at) ON loads TO {role};
GRANT SELECT, INSERT, UPDATE (value, reason) ON load_messages TO {role};   -- to erase a deleted user
GRANT USAGE ON SEQUENCE loads_id_seq TO {role};
GRANT SELECT, INSERT, UPDATE (size, modified, is_refused) ON loaded_files TO {role};
GRANT SELECT, INSERT, DELETE ON deferred_fines, contested_identifiers TO {role};

-- Library systems with an API.
GRANT SELECT, INSERT (source, collected_to, seen_to), UPDATE (read_at, complete_at, collected_to, seen_to, seen_at)
    ON system_sources TO {role};
GRANT SELECT, INSERT (source, entry_id, fine_id, kind, amount, state),
      UPDATE (state, attempts, attempted_at, answered_at, answer, balance_change, decision, decided_by, decided_at)
    ON outbox_events TO {role};

-- Exports.
GRANT SELECT, INSERT, UPDATE (built_at, closed_at, released_at, released_by, closed_by_run_id)
    ON batches TO {role};
GRANT SELECT ON batches_with_state TO {role};
GRANT SELECT, INSERT, UPDATE (file_size, sha256) ON batch_files TO {role};
GRANT USAGE ON SEQUENCE batches_id_seq TO {role};
GRANT SELECT, INSERT, UPDATE (identifier, patron_name, comment) ON batch_lines TO {role};   -- to erase a deleted user
GRANT EXECUTE ON FUNCTION xml_text, line_kind TO {role};
GRANT SELECT ON exported_fines TO {role};
GRANT SELECT, INSERT, UPDATE (upload_started_at, remote_folder, uploaded_at, part_name, unclear_at, unclear_reason, confirmed_by,
                              delivered_at, file_size, sha256, repeated_by)
    ON deliveries TO {role};
GRANT SELECT, INSERT, UPDATE (first_block_at, last_block_at, removed_at, rename_requested_at, rename_accepted, conflict_at)
    ON upload_attempts TO {role};
GRANT USAGE ON SEQUENCE upload_attempts_id_seq TO {role};
GRANT SELECT, INSERT, DELETE ON batch_claims TO {role};
GRANT SELECT, UPDATE (next) ON transaction_ids TO {role};
GRANT SELECT, INSERT ON closed_partitions TO {role};
GRANT SELECT, INSERT, DELETE ON reported_users TO {role};

-- Imports.
GRANT SELECT, INSERT, UPDATE (size, modified, unchanged_since), DELETE ON observed_files TO {role};
GRANT SELECT, INSERT, UPDATE (reason, is_odd, observed_at, run_id), DELETE ON skipped_entries TO {role};
GRANT SELECT, INSERT, UPDATE (profile, run_id, name, modified, amount_mode, records, totals, read_at, rejection, rejected_at,
                              applied_at, applied_by_run_id, outcomes, layout, user_matching, has_payment_keys) ON import_files TO {role};
GRANT SELECT, INSERT, UPDATE (file_id, size, modified, archived_at, archived_path, warning) ON file_arrivals TO {role};
GRANT SELECT, INSERT, UPDATE (amount, fine_id, matched_id, outcome, applied, credit_amount, held_amount, held_decision, decided_by,
                              decided_at, released_credit_id, already_settled, reason, found_fine_id, identifier), DELETE
    ON import_records TO {role};
GRANT SELECT ON repeated_arrivals TO {role};
GRANT EXECUTE ON FUNCTION payment_outcome, remaining_after_payments TO {role};

-- Statements. Old ones are deleted with the reports.
GRANT SELECT, INSERT, DELETE, UPDATE (size, modified, sha256, layout, lists, of_users, stated_at, lines, users, outcomes, rejection,
                                      compared_at, archived_at, archived_path, warning) ON statements TO {role};
GRANT SELECT, INSERT, UPDATE (identifier) ON statement_results TO {role};   -- to erase a deleted user

-- Maintenance jobs.
GRANT SELECT ON active_fines, user_debts TO {role};
GRANT SELECT, INSERT ON maintenance_jobs, maintenance_job_results TO {role};
GRANT USAGE ON SEQUENCE maintenance_jobs_id_seq TO {role};
GRANT SELECT, INSERT (name, fine_ids, uploaded_by), DELETE ON fine_lists TO {role};

-- Reports of runs. Old ones are deleted.
GRANT SELECT, INSERT, DELETE, UPDATE (dry_run, as_of, started_at, ended_at, outcome, files, users, fines, totals,
                                      skipped, rejects, task_timings, messages, trigger, requested_by)
    ON run_reports TO {role};
GRANT SELECT, INSERT, DELETE, UPDATE (seconds, error) ON task_timings TO {role};
GRANT SELECT, INSERT, UPDATE (counted_at, sums) ON outstanding_by_week TO {role};

-- Notifications, monitoring and approvals. A person's answer can't be deleted.
GRANT SELECT, INSERT ON sent_notifications TO {role};
GRANT SELECT, INSERT, UPDATE (monitored_since), DELETE ON monitored_jobs TO {role};
GRANT SELECT, INSERT, UPDATE (answer, answered_by, answered_at, times_asked, requested_at, requester_may_approve)
    ON approvals TO {role};
GRANT SELECT, INSERT ON rejected_answers TO {role};

-- Pages. The record of accesses can only grow.
GRANT SELECT, INSERT (person, user_id, batch_id, load_id) ON user_accesses TO {role};
GRANT SELECT, INSERT (code, revision, profile, change, changed_by) ON profile_revisions TO {role};
GRANT SELECT, INSERT ON run_revisions TO {role};
