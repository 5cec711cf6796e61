"""The files of a batch for people."""

from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch
from bursar.money import pluralize


def describe_files(batch: Batch) -> list[tuple[str, str]]:
    """Returns facts of the files of a batch with their labels: name, size and SHA-256; of several, a fact for each."""
    if len(batch.files) > 1:
        return [(f"File {file.number}", _describe(file)) for file in batch.files]
    facts = [("File", batch.file_name)]
    for file in batch.files:
        facts += [("Size", _get_size(file)), ("SHA-256", file.bursar_sha256 or "")]
    return facts


def _describe(file: BatchFile) -> str:
    content = "says that the others are complete" if file.is_done_file else pluralize(file.fines, "fine")
    checksum = f"SHA-256 {file.bursar_sha256}" if file.bursar_sha256 else ""
    state = file.state.description if file.state else ""
    return ", ".join(filter(None, (file.name, content, state, _get_size(file), checksum)))


def _get_size(file: BatchFile) -> str:
    return pluralize(file.bursar_size, "byte") if file.bursar_size is not None else ""
