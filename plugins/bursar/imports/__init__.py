"""Payments on their way in: a file arrives, is unpacked and read, its records are applied, and it is put away.

What the bursar sent is never trusted and never changed. A file is read as a whole or not at all, each of its records
takes effect once, and each stage can be killed and repeated.
"""
