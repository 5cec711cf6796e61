"""Fines on their way out: selection, document, delivery, closing, in that order.

The batch in the ledger is the truth and the file a pure function of it. Each stage can be killed and repeated: it finds
its batch, sees how far it came, and does only what is left.
"""
