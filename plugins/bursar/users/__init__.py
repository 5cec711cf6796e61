"""Deletes users and waives fines: deletion by hand, Purge User Records, Bulk Fine Waiving.

A user with an active fine is never deleted. The view `active_fines` defines which fines are active; exported fines that
the bursar has not reported as paid are among them.
"""
