"""A task that asks for a connection which Airflow does not have, or whose API server fails to answer.

The task's end and the supervisor's end of their channel are Airflow's own; the API server returns one status.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_server, socketpair
from threading import Thread
from typing import Any
from uuid import uuid4

import psutil
import pytest
import structlog
from airflow.sdk import RetryAction
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, PsutilTracker, length_prefixed_frame_reader
from tenacity import stop_after_attempt

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.airflow.find_connection import MissingConnectionError, find_connection
from bursar.errors import TransientError

HOST = "127.0.0.1"


@pytest.fixture
def supervise(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes this process a task whose supervisor asks the API server at a port of this machine."""
    monkeypatch.setattr(vars(Client.request)["retry"], "stop", stop_after_attempt(1))
    ours, its = socketpair()

    def supervise(port: int) -> None:
        with Client(base_url=f"http://{HOST}:{port}", token="") as client, its:
            process, log = PsutilTracker(psutil.Process()), structlog.get_logger()
            supervisor = ActivitySubprocess(
                id=uuid4(), pid=os.getpid(), process=process, stdin=its, process_log=log, client=client
            )
            requests = supervisor.handle_requests(log)
            read, _ = length_prefixed_frame_reader(requests, lambda _: None)
            while read(its):
                pass

    threads: list[Thread] = []

    def start(port: int) -> None:
        threads.append(Thread(target=supervise, args=(port,)))
        threads[0].start()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", CommsDecoder(socket=ours), raising=False)

    yield start
    ours.close()
    threads[0].join()


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of an API server that answers each request with the status of the test."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"detail": {"reason": "not_found", "message": "as Airflow says it"}}')

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer((HOST, 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("api", [404], indirect=True)
def test_a_task_without_the_connection_fails_at_once_without_a_look_at_the_database(
    api: int, supervise: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject() -> None:
        raise RuntimeError("Direct database access via the ORM is not allowed in Airflow 3.0")  # as Airflow in tasks

    monkeypatch.setattr("airflow.utils.session.create_session", reject)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # of the scheduler, which starts the executor
    supervise(api)
    with pytest.raises(MissingConnectionError, match="There is no Airflow connection bursar_nowhere") as missing:
        find_connection("bursar_nowhere")
    assert RETRY_POLICY.evaluate(missing.value, 1, 5).action is RetryAction.FAIL


@pytest.mark.parametrize("api", [500, 503], indirect=True)
def test_a_task_is_retried_if_the_api_server_fails(api: int, supervise: Callable[[int], None]) -> None:
    supervise(api)
    with pytest.raises(TransientError, match="has not answered a request for the connection bursar_files") as failure:
        find_connection("bursar_files")
    assert RETRY_POLICY.evaluate(failure.value, 1, 5).action is RetryAction.RETRY


def test_a_task_is_retried_if_the_api_server_is_down(supervise: Callable[[int], None]) -> None:
    with closing(create_server((HOST, 0))) as listener:
        port = listener.getsockname()[1]
    supervise(port)
    with pytest.raises(TransientError, match="has not answered a request for the connection bursar_files"):
        find_connection("bursar_files")
