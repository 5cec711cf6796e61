"""Records a load: its files, counts, entries and messages, and the rows that it deferred."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.sources.csv.tables import FINES
from bursar.sources.load_types import LoadResult


def record_load(
    connection: Connection,
    result: LoadResult,
    facts: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]],
    *,
    is_refused: bool,
) -> None:
    """Records a load and its messages; of a load that took place also the rows that it deferred, in its transaction.

    `facts` are further columns of the table `loads`, among them the `source`.
    """
    connection.execute(
        query("sources/insert_load"),
        {
            **facts,
            "id": result.load_id,
            "is_refused": is_refused,
            "files": json.dumps(files),
            "counts": json.dumps(asdict(result.counts)),
            "rejected": json.dumps(result.rejected),
            "entries": json.dumps([asdict(entry) for entry in result.entries], default=str),
        },
    )
    wrong = {message.file for message in result.messages if message.is_rejection}
    seen = [file for file in files if "modified" in file and (not is_refused or file["name"] in wrong)]
    source = facts["source"]
    if seen:
        parameters = {"source": source, "is_refused": is_refused, "files": json.dumps(seen)}
        connection.execute(query("sources/record_loaded_files"), parameters)
    messages = json.dumps([asdict(message) for message in result.messages])
    connection.execute(query("sources/insert_load_messages"), {"load_id": result.load_id, "messages": messages})
    if not is_refused:
        file_name = next((file["name"] for file in files if file["table"] == FINES.name), "")
        parameters = {"source": source, "load_id": result.load_id, "file": file_name}
        connection.execute(query("sources/delete_deferred_fines"), parameters)
        connection.execute(query("sources/insert_deferred_fines"), parameters)
