"""Payment layouts: how a bursar writes its files of payments, described in YAML, and the reader of such files.

`model` describes a layout and `files` reads those of a folder. `parse` reads the records of a file by its layout: from
`lines`, the text of the file, over `fields`, the values of a row, and `controls`, the totals that the file names.
"""
