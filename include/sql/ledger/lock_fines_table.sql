-- Blocks every change of a balance until this transaction ends, and lets one such transaction run at a time; readers
-- are not blocked. The journal's trigger updates fines, so a transaction that posts an entry blocks here, and sees the
-- changes when it continues. EXCLUSIVE waits for row locks on fines too: with less, the desk's row lock and this lock
-- could deadlock.
LOCK TABLE fines_lock IN EXCLUSIVE MODE;
