"""The errors that Bursar raises. Each message names the profile, file, line or fine, and says what to do."""


class BursarError(Exception):
    """Root of all errors that Bursar raises on purpose. Repeating the step will not help: a person has to act."""


class TransientError(BursarError):
    """A fault of the network, a lock or a server: the same step may succeed later."""


class NotFoundError(BursarError):
    """There is nothing of the given id or name."""


class WrongValueError(BursarError):
    """A value that a person gave can't be meant: no moment, no amount of its currency, no name."""


class LedgerError(BursarError):
    """The ledger rejects an operation: the fine is unknown, the amount is not owed, or an export holds the fine."""


class InputFileError(BursarError):
    """A file from a person or a bursar is wrong; it changed nothing."""


class RemoteFolderError(BursarError):
    """The S/FTP server rejects an operation: login, host key, missing folder, existing file."""


class MissingFolderError(RemoteFolderError):
    """The folder is not there, or the account may not enter it."""


class PermissionDeniedError(RemoteFolderError):
    """The server denies the account an operation. Some servers say so of missing files, too."""


class PreviousFileError(RemoteFolderError):
    """A file of an earlier export is still in the output folder, and the profile says that no other may join it."""


class BatchError(BursarError):
    """A batch is not in the state that the step needs."""


class LedgerNotFoundError(NotFoundError, LedgerError):
    """The ledger has no fine or user of this id."""


class WrongAmountError(WrongValueError, LedgerError):
    """An amount is not above zero, too large, or has more decimals than its currency."""


class BatchNotFoundError(NotFoundError, BatchError):
    """The ledger has no batch of this id."""


class ImportFileNotFoundError(NotFoundError, InputFileError):
    """The ledger has no import file of this id."""


class UnclearDeliveryError(BatchError):
    """The server acknowledged a file and has it no more; a person finds out whether the bursar has it."""
