"""Reports of runs: built from the ledger, recorded in it, and described for people."""
