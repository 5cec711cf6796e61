"""Sends messages: by mail through Airflow's SMTP provider, to chat rooms through its Apprise provider."""

import logging
import smtplib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from threading import Thread
from typing import cast
from urllib.parse import quote, urlsplit

from airflow.sdk.configuration import conf
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import TransientError
from bursar.notifications.messages import Message, Severity, report_message
from bursar.notifications.render import RenderedMessage, render_message
from bursar.notifications.sent_log import deduplication_key, not_yet_sent, record_sent
from bursar.profiles import INCLUDE, load_settings
from bursar.profiles.job_owner import JobOwner
from bursar.profiles.monitoring import CHAT, Notifications
from bursar.remote_files.base import error_reason
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.sources.system_model import describe_job

log = logging.getLogger(__name__)

MAIL = "smtp_default"
TIMEOUT_SECONDS = 60
"""Limit for the whole exchange with the mail server, or with the service of a chat room."""

_CHAT_TYPES: Mapping[Severity, str] = {"good": "success", "quiet": "info", "warning": "warning", "bad": "failure"}


PAGES = "bursar"
"""The path of the pages below Airflow's own, and their place in its navigation; the plugin has the same."""


def notify(report: RunReport, owner: JobOwner | None, run_url: str | None) -> RunReport:
    """Notifies the people whom the profile or source, or without one the settings, name for the outcome of a run.

    It never raises. A repeated call notifies only people who have not been notified. A notification that was not sent
    is logged, and is added to the messages of the report, which is recorded again and returned. Nobody is notified of a
    dry run: the user who started it sees its result in Airflow. The message links to the job report, or to `run_url` if
    there is none.
    """
    if report.dry_run:
        return report
    try:
        settings = load_settings(INCLUDE / "bursar.yaml")
        message = report_message(
            report,
            owner_name=owner.name if owner else None,
            about=describe_job(report.job, owner) if owner else None,
            time_zone=(owner or settings).time_zone,
            link=report_url(report) if report.id else run_url,
        )
        recipients = _recipients((owner or settings).notifications, report.outcome)
        engine = ledger_engine(ledger_url())
        if unsent := send(engine, message, recipients, dedup_key=deduplication_key(report)):
            return record_report(engine, replace(report, messages=(*report.messages, *unsent)))
    except Exception:
        log.exception("The notification about this run failed. The run itself is not affected.")
    return report


def run_url(dag_id: str, run_id: str | None = None) -> str | None:
    """Returns the address of a DAG, or of one of its runs, in Airflow; None if `[api] base_url` is not set."""
    base = conf.get("api", "base_url", fallback="")
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}" + (f"/runs/{quote(run_id)}" if run_id else "") if base else None


def page_url(path: str) -> str | None:
    """Returns the address of a page of Bursar inside Airflow; None if `[api] base_url` is not set.

    Airflow writes the path of a page into its own address, with the path that Airflow has itself.
    """
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/plugin/{PAGES}{urlsplit(base).path}/{PAGES}/{path}" if base else None


def report_url(report: RunReport) -> str | None:
    """Returns the address of the job report of a recorded run; None for a run that is not recorded."""
    return page_url(f"runs/{report.id}") if report.id else None


def send(engine: Engine, message: Message, recipients: Sequence[str], *, dedup_key: str) -> list[str]:
    """Sends a message to each recipient who has no message with this key yet.

    A message is recorded as sent after a server has accepted it. A worker that is killed in between sends it twice, but
    with the same Message-ID, so mail programs can show it once.

    Returns:
        A sentence for each recipient to whom the message was not sent.
    """
    pending = _not_yet_sent(engine, dedup_key, recipients)
    rendered = render_message(message)
    failures: dict[str, str] = {}
    if addresses := [recipient for recipient in pending if not recipient.startswith(CHAT)]:
        failures |= _attempt(addresses, lambda: _mail(rendered, addresses, dedup_key))
    for room in (recipient for recipient in pending if recipient.startswith(CHAT)):
        failures |= _attempt([room], lambda room=room: _chat(rendered, message.severity, room))  # type: ignore[misc]
    notified = [recipient for recipient in pending if recipient not in failures]
    _record_sent(engine, dedup_key, notified)
    if notified:
        log.info("Notified %s: %s", ", ".join(notified), rendered.subject)
    unsent = [_unsent(recipient, reason) for recipient, reason in failures.items()]
    for sentence in unsent:
        log.warning("%s", sentence)
    return unsent


def _recipients(notifications: Notifications, outcome: RunOutcome) -> tuple[str, ...]:
    return {
        RunOutcome.COMPLETED: notifications.completed,
        RunOutcome.WITH_WARNINGS: notifications.completed_with_warnings,
        RunOutcome.NOTHING_TO_DO: notifications.nothing_to_do,
        RunOutcome.FAILED: notifications.failed,
    }[outcome]


def _mail(rendered: RenderedMessage, addresses: Sequence[str], dedup_key: str) -> dict[str, str]:
    """Sends one mail to all addresses; returns the rejected addresses with the reasons."""
    # Imported here: only the task that reports the run sends mails.
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # noqa: PLC0415

    hook = SmtpHook(MAIL)
    with ExitStack() as stack:
        stack.callback(lambda: hook._smtp_client and hook._smtp_client.close())  # noqa: SLF001  also if the login failed
        hook.get_conn()
        if not hook.from_email:
            raise ValueError("the connection's extra names no from_email")
        message = EmailMessage()
        message["Subject"] = rendered.subject
        message["From"] = hook.from_email
        message["To"] = ", ".join(addresses)
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{sha256(dedup_key.encode()).hexdigest()[:32]}@{hook.from_email.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # suppresses out-of-office replies
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        # The hook's own method sends HTML only, and retries after an error that may have followed the acceptance.
        client = cast("smtplib.SMTP", hook._smtp_client)  # noqa: SLF001
        try:
            rejected = client.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            rejected = error.recipients
    return {address: _answer(*answer) for address, answer in rejected.items()}


def _answer(code: int, text: bytes | str) -> str:
    return f"the server answers {code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


def _chat(rendered: RenderedMessage, severity: Severity, room: str) -> dict[str, str]:
    # Imported here: they are large, and few profiles name a chat room.
    import apprise  # noqa: PLC0415
    from airflow.providers.apprise.hooks.apprise import AppriseHook  # noqa: PLC0415

    connection = room.removeprefix(CHAT)
    hook, services = AppriseHook(connection), apprise.Apprise()
    hook.set_config_from_conn(hook.get_connection(connection), services)
    notify_type = apprise.NotifyType(_CHAT_TYPES[severity])
    # The hook's own method does not return whether the message was sent. As text, markup in it has no effect.
    if services.notify(
        title=rendered.subject, body=rendered.brief, notify_type=notify_type, body_format=apprise.NotifyFormat.TEXT
    ):
        return {}
    return {room: "the service rejected it, or the connection's config has no service; the log above says more"}


def _attempt(recipients: Sequence[str], send: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Calls `send` and waits for it within the time limit; returns the recipients without a message, with reasons."""
    results: list[dict[str, str]] = []

    def run() -> None:
        try:
            results.append(send())
        except smtplib.SMTPResponseException as error:
            results.append(dict.fromkeys(recipients, _answer(error.smtp_code, error.smtp_error)))
        except Exception as error:
            log.debug("Not sent.", exc_info=True)
            results.append(dict.fromkeys(recipients, error_reason(error)))

    thread = Thread(target=run, daemon=True)  # a socket timeout does not limit a server that sends byte by byte
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return results[0] if results else dict.fromkeys(recipients, f"timed out after {TIMEOUT_SECONDS} seconds")


def _unsent(recipient: str, reason: str) -> str:
    connection = f"connection {recipient.removeprefix(CHAT) if recipient.startswith(CHAT) else MAIL}"
    return (
        f"The notification to {recipient} was not sent ({connection}: {reason}). Correct the Airflow {connection}, or "
        "wait until the server is back. To send the notification of a run again, clear its task report_run."
    )


def _not_yet_sent(engine: Engine, dedup_key: str, recipients: Sequence[str]) -> list[str]:
    try:
        with engine.connect() as connection:
            return not_yet_sent(connection, dedup_key, recipients)
    except (SQLAlchemyError, TransientError):
        log.warning("The ledger could not be asked who has been notified. All are notified.", exc_info=True)
        return list(recipients)


def _record_sent(engine: Engine, dedup_key: str, recipients: Sequence[str]) -> None:
    try:
        with engine.begin() as connection:
            record_sent(connection, dedup_key, recipients)
    except (SQLAlchemyError, TransientError):
        log.warning("The notification was not recorded in the ledger. A repeated task sends it again.", exc_info=True)
