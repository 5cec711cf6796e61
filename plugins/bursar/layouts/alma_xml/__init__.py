"""The XML format of Alma's bursar integration, for exports and for the payment files that answer them.

`namespace` names the format, `write` renders the file of a batch, and `check` compares a file with its batch. `parse`
reads any payment file; `parse_fast` reads one in the exact form of an export, and passes the rest on to `parse`.
"""
