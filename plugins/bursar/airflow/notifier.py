"""Letters on their way: by mail through Airflow's SMTP provider, to chat rooms through its Apprise provider."""

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
from urllib.parse import quote

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk.configuration import conf
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import TransientError
from bursar.notifications.messages import Message, Severity, report_message
from bursar.notifications.render import RenderedMessage, render_message
from bursar.notifications.sent_log import deduplication_key, not_yet_sent, record_sent
from bursar.profiles import INCLUDE, Profile, load_settings
from bursar.profiles.monitoring import CHAT, Notifications
from bursar.remote_files.base import error_reason
from bursar.reporting.run_report import RunOutcome, RunReport, record_report

log = logging.getLogger(__name__)

MAIL = SmtpHook.default_conn_name
TIMEOUT_SECONDS = 60
"""Seconds that the mail server, or a chat room, may take in all; a server that hangs holds no job up longer."""

_CHAT_TYPES: Mapping[Severity, str] = {"good": "success", "quiet": "info", "warning": "warning", "bad": "failure"}


def notify(report: RunReport, profile: Profile | None, run_url: str | None) -> RunReport:
    """Tells those whom the profile names, or without a profile the settings, how a run ended. Never raises.

    A repeated call tells only those who were not told yet. What did not go is in the log and among the messages of the
    report, which is recorded anew then, and returned. Nobody is told of a dry run: who started it is looking at it.
    """
    if report.dry_run:
        return report
    try:
        settings = load_settings(INCLUDE / "bursar.yaml")
        letter = report_message(
            report,
            profile_name=profile.name if profile else None,
            time_zone=(profile or settings).time_zone,
            link=run_url,
        )
        recipients = _recipients((profile or settings).notifications, report.outcome)
        engine = ledger_engine(ledger_url())
        if problems := send(engine, letter, recipients, what=deduplication_key(report)):
            return record_report(engine, replace(report, messages=(*report.messages, *problems)))
    except Exception:
        log.exception("It could not be told how this run ended. The run itself is not affected.")
    return report


def run_url(dag_id: str, run_id: str | None = None) -> str | None:
    """Where Airflow shows a DAG, or a run of it; None if Airflow was not told its own address."""
    base = conf.get("api", "base_url", fallback="")
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}" + (f"/runs/{quote(run_id)}" if run_id else "") if base else None


def send(engine: Engine, letter: Message, recipients: Sequence[str], *, what: str) -> list[str]:
    """Sends a letter to those recipients who were not told `what` before; returns what did not go, in sentences.

    Told is recorded once a server has taken the letter, so whoever is killed between the two tells it twice. It is
    one message to a reader then: it has the same Message-ID.
    """
    pending = _not_yet_sent(engine, what, recipients)
    rendered = render_message(letter)
    refused: dict[str, str] = {}
    if addresses := [recipient for recipient in pending if not recipient.startswith(CHAT)]:
        refused |= _attempt(addresses, lambda: _mail(rendered, addresses, what))
    for room in (recipient for recipient in pending if recipient.startswith(CHAT)):
        refused |= _attempt([room], lambda room=room: _chat(rendered, letter.severity, room))  # type: ignore[misc]
    told = [recipient for recipient in pending if recipient not in refused]
    _record(engine, what, told)
    if told:
        log.info("Told %s: %s", ", ".join(told), rendered.subject)
    problems = [_not_gone(recipient, why) for recipient, why in refused.items()]
    for problem in problems:
        log.warning("%s", problem)
    return problems


def _recipients(notifications: Notifications, outcome: RunOutcome) -> tuple[str, ...]:
    return {
        RunOutcome.COMPLETED: notifications.completed,
        RunOutcome.WITH_WARNINGS: notifications.completed_with_warnings,
        RunOutcome.NOTHING_TO_DO: notifications.nothing_to_do,
        RunOutcome.FAILED: notifications.failed,
    }[outcome]


def _mail(rendered: RenderedMessage, addresses: Sequence[str], what: str) -> dict[str, str]:
    """Mails to all addresses at once; returns those that the server refuses, and why."""
    hook = SmtpHook(MAIL)
    with ExitStack() as stack:
        stack.callback(lambda: hook._smtp_client and hook._smtp_client.close())  # noqa: SLF001  also after no login
        hook.get_conn()
        if not hook.from_email:
            raise ValueError("the connection's extra names no from_email")
        message = EmailMessage()
        message["Subject"] = rendered.subject
        message["From"] = hook.from_email
        message["To"] = ", ".join(addresses)
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{sha256(what.encode()).hexdigest()[:32]}@{hook.from_email.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # no answer from those on holiday
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        # The hook's own method sends HTML alone, and tries again after a break that may have come behind the taking.
        client = cast("smtplib.SMTP", hook._smtp_client)  # noqa: SLF001
        try:
            refused = client.send_message(message)
        except smtplib.SMTPRecipientsRefused as all_of_them:
            refused = all_of_them.recipients
    return {address: _answer(*why) for address, why in refused.items()}


def _answer(code: int, text: bytes | str) -> str:
    return f"the server answers {code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


def _chat(rendered: RenderedMessage, severity: Severity, room: str) -> dict[str, str]:
    # Here, since they are large, and few profiles name a chat room.
    import apprise  # noqa: PLC0415
    from airflow.providers.apprise.hooks.apprise import AppriseHook  # noqa: PLC0415

    connection = room.removeprefix(CHAT)
    hook, services = AppriseHook(connection), apprise.Apprise()
    hook.set_config_from_conn(hook.get_connection(connection), services)
    # The hook's own method does not say whether anything went.
    if services.notify(
        title=rendered.subject, body=rendered.brief, notify_type=apprise.NotifyType(_CHAT_TYPES[severity])
    ):
        return {}
    return {room: "the service refused it, or the connection's config names none; the log above says more"}


def _attempt(recipients: Sequence[str], send: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Sends within a bounded time, whatever a server does; returns who got nothing, and why."""
    results: list[dict[str, str]] = []

    def run() -> None:
        try:
            results.append(send())
        except smtplib.SMTPResponseException as error:
            results.append(dict.fromkeys(recipients, _answer(error.smtp_code, error.smtp_error)))
        except Exception as error:
            log.debug("Not sent.", exc_info=True)
            results.append(dict.fromkeys(recipients, error_reason(error)))

    thread = Thread(target=run, daemon=True)  # no bound of a socket holds against a server that drips
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return results[0] if results else dict.fromkeys(recipients, f"no end of it after {TIMEOUT_SECONDS} seconds")


def _not_gone(recipient: str, why: str) -> str:
    way = f"connection {recipient.removeprefix(CHAT)}" if recipient.startswith(CHAT) else f"connection {MAIL}"
    return (
        f"The message about this to {recipient} did not go ({way}: {why}). Correct the Airflow {way}, or wait until "
        "the server is back. What tells how a run ended goes again when its task report_run is cleared."
    )


def _not_yet_sent(engine: Engine, what: str, recipients: Sequence[str]) -> list[str]:
    try:
        with engine.connect() as connection:
            return not_yet_sent(connection, what, recipients)
    except (SQLAlchemyError, TransientError):
        log.warning("The ledger can't say who was told before; all are told.", exc_info=True)
        return list(recipients)


def _record(engine: Engine, what: str, told: Sequence[str]) -> None:
    try:
        with engine.begin() as connection:
            record_sent(connection, what, told)
    except (SQLAlchemyError, TransientError):
        log.warning("The ledger can't take down who was told; a repetition tells them again.", exc_info=True)
