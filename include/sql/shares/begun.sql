-- In how many shares a piece of work was begun, by what is recorded of those that are done; NULL if none is.
SELECT max(shares) FROM done_shares WHERE work = :work AND subject_id = :subject_id;
