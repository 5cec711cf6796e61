-- Holds every change of a balance back until this transaction ends (readers go on), and lets one such transaction run at a
-- time. The journal's trigger updates fines, so a transaction that writes to the journal waits here, and sees what was done when it
-- continues. EXCLUSIVE waits for row locks on fines too: with less, the desk's row lock and this lock could wait for each other.
LOCK TABLE fines_lock IN EXCLUSIVE MODE;
