"""What each run did, in the ledger for as long as the library wants."""
