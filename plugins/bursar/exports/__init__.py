"""Exports fines to a bursar: selects them, builds the file, uploads it and closes the fines, in that order.

The batch in the ledger is the truth and the file a pure function of it. Each stage can be killed and repeated: it finds
its batch, sees how far it came, and does only what is left.
"""
