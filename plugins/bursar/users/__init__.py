"""Users leave, and debts are given up: deletion by hand, Purge User Records, Bulk Fine Waiving.

An exported fine is not gone: as long as it is considered active (the view `active_fines` says which ones are), nobody
loses sight of the user who owes it.
"""
