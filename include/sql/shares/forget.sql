-- Forgets the shares of a piece of work that is done, and that says so itself from now on.
DELETE FROM done_shares WHERE work = :work AND subject_id = :subject_id;
