"""Delivers the files of a batch, one after the other, each by the upload protocol."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Engine

from bursar.exports.build import ExportFile
from bursar.exports.bursar_folder import BursarFolder
from bursar.exports.upload_attempts import Upload
from bursar.exports.upload_lock import UploadLock
from bursar.exports.upload_protocol import resume_upload
from bursar.ledger.batches import Batch
from bursar.ledger.deliveries import Delivery, DeliveryState
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder


def deliver_files(
    engine: Engine,
    batch: Batch,
    deliveries: Sequence[Delivery],
    files: Sequence[ExportFile],
    folder: RemoteFolder,
    lock: UploadLock,
    settings: UploadSettings,
) -> None:
    """Completes the deliveries of the files of a batch, one after the other; a delivered one is not changed."""
    for delivery, file in zip(deliveries, files, strict=True):
        if delivery.state is DeliveryState.DELIVERED:
            continue
        sent = file
        if delivery.file_size is not None and delivery.sha256 is not None:  # encrypted, each attempt has other bytes
            sent = replace(file, size=delivery.file_size, sha256=delivery.sha256)
        server = BursarFolder(folder=folder, settings=settings, file=sent, output_path=batch.output_file_path)
        resume_upload(Upload(engine=engine, batch=batch, delivery=delivery, file=file, server=server, lock=lock))
