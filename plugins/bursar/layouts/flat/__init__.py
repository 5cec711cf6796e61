"""Delimited and fixed files, as a layout describes them.

`sql` and `columns` turn templates and columns into SQL expressions, `queries` composes them, `render` writes the file
of a batch, `fit` finds the fines that do not fit, and `check` compares a file with its batch, with code of its own.
"""
