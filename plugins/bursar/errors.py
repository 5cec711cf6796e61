"""What can go wrong. Every message says where (profile, file, line or fine) and what to do about it."""


class BursarError(Exception):
    """Root of all errors that Bursar raises on purpose. Repeating the step will not help: a person has to act."""


class TransientError(BursarError):
    """The network, a lock, a server that is down: the same step may well succeed a little later."""


class LedgerError(BursarError):
    """The ledger refuses: an unknown fine, an amount that is not owed, a fine that an export holds."""


class InputFileError(BursarError):
    """A file brought in by a person or a bursar is wrong; it changed nothing."""


class RemoteFolderError(BursarError):
    """The S/FTP server refuses: login, host key, missing folder, a file in the way."""


class MissingFolderError(RemoteFolderError):
    """The folder is not there, or the account may not enter it."""


class BatchError(BursarError):
    """A batch is not in the state that the step needs."""


class UnclearDeliveryError(BatchError):
    """The server acknowledged a file and has it no more; a person finds out whether the bursar has it."""
