"""Imports: a payment file is detected, loaded into the ledger, applied to its fines and archived.

A file of the bursar is not trusted and never changed. It is loaded as a whole or not at all, each of its records is
applied once, and each step can be interrupted and repeated.
"""
