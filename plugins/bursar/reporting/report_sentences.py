"""The sentences of a report: what a librarian has to look at, and what to do. They name no user."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, RowMapping

from bursar.exports.skip_reason import SkipReason
from bursar.imports.apply_again import RepeatedArrival
from bursar.imports.overpayments import HeldOverpayment, describe_decisions
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.import_files import PaymentOutcome
from bursar.ledger.totals import OutcomeTotals, Skipped, sum_by_currency
from bursar.money import format_money, format_totals, pluralize
from bursar.page_names import Page
from bursar.reporting.run_description import count_outcomes
from bursar.reporting.task_names import describe_task
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob

MAX_NAMES_SHOWN = 10
"""Names of files in one sentence."""

ADVICE = {
    KeepReason.NO_DATE: "without such a date, and never due: add the date in the library system",
    KeepReason.OVERPAYMENT_HELD: f"with an overpayment, about which a person decides under {Page.WAITING}",
    KeepReason.CREDIT: "with an open credit: pay it out, or settle fines with it",
    KeepReason.DISPUTED: "with a disputed fine: resolve the dispute",
}
"""Advice about users who are kept, or whose fines stay, until somebody acts; it follows their number."""

MAX_OVERPAYMENTS_SHOWN = 5

EXPECTED_OUTCOMES = (PaymentOutcome.NO_PAYMENT, PaymentOutcome.REPEATED)
"""Outcomes without effect that no person has to look at."""


def describe_failures(failed: Iterable[str], errors: Mapping[str, list[str]]) -> list[str]:
    """Says why tasks failed; `errors` has the recorded errors of each task."""
    unknown = ["it ended without an error: a person marked it as failed, or its worker died."]
    return [f"The {describe_task(task)} failed: {error}" for task in failed for error in errors.get(task) or unknown]


def describe_recovered_batch(batch: Batch) -> str:
    """Says what a run did with a batch that an earlier run had not completed."""
    subject = f"Batch {batch.id} with {pluralize(batch.fines, 'fine')}, left unfinished by run {batch.run_id},"
    if batch.state is BatchState.RELEASED:
        return f"{subject} was released: nothing of it was sent, and its fines are open again."
    return f"{subject} was completed: {batch.file_name} has been delivered, and its fines are closed."


def describe_resend(resend: RowMapping) -> str:
    """Says whether a run has sent a batch again."""
    subject = f"batch {resend['id']} with {pluralize(resend['fines'], 'fine')}"
    if len(resend["resent_files"]) < len(resend["files"]):
        subject = f"{', '.join(resend['resent_files'])} of {subject}"
    if resend["sent_again_at"]:
        return (
            f"As a person asked, {subject} was sent again, the same bytes. Its fines were closed before and stay so. "
            f"The page of the batch names the person (`bin/bursar batches show {resend['id']}`)."
        )
    return f"A person asked for {subject} to be sent again; that has not been done."


def describe_unfinished_batch(batch: Batch) -> str:
    """Says how far the batch of a failed run is, and how to complete it."""
    subject = f"{_describe_batch(batch)} is {batch.state.description}"
    if batch.state is BatchState.RELEASED:
        return f"{subject}; its fines are open."
    return (
        f"{subject}, and no other export takes its fines. Correct the cause and clear the failed task, or leave it to "
        "the next run: it completes a batch that may have reached the bursar, and releases any other."
    )


def describe_refused_batch(batch: Batch, request: ApprovalRequest | None) -> Iterable[str]:
    """Says that the batch was refused, if a person did that, and why it needed an approval."""
    if request and request.answer is ApprovalAnswer.REFUSED:
        yield (
            f"{_describe_batch(batch)} was refused: nothing of it was sent, and its fines are open again. The page "
            f"of the batch names the person (`bin/bursar batches show {batch.id}`). It needed an approval because: "
            f"{' '.join(request.reasons)}"
        )


def describe_refused_job(request: ApprovalRequest | None) -> Iterable[str]:
    """Says that the run of a maintenance job was refused, if a person did that, and why it needed an approval."""
    if request and request.answer is ApprovalAnswer.REFUSED:
        yield (
            "A person refused this run: nothing was changed. It needed an approval because: "
            f"{' '.join(request.reasons)}"
        )


def describe_dry_run(batch: Batch) -> str:
    """Says that a run was a dry run, and how to look at its file."""
    command = (
        f" The page of the batch has the file (`bin/bursar batches build-file {batch.id}`)." if batch.fines else ""
    )
    return f"This was a dry run: it sent nothing, closed no fine and claimed none.{command}"


def describe_skipped_fines(skipped: Mapping[str, Skipped], new_users: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Says which fines stay open until somebody corrects their users, or the layout.

    `new_users` counts, by reason, the users that no earlier report has warned about. Returns warnings, which have such
    users, and other sentences.
    """
    warnings, known = [], []
    for reason in SkipReason:
        if reason.needs_correction and (fines := skipped.get(reason)):
            counts = (
                f"{pluralize(fines.fines, 'fine')} of {pluralize(fines.users, 'user')} ({format_totals(fines.net)})"
            )
            wrong_ones = "the layout of the profile, or the fines" if reason.is_of_layout else "the users"
            advice = f"Correct {wrong_ones} in the library system (`bin/bursar profiles preview` lists them)."
            new = new_users.get(reason, 0)
            if not new:
                known.append(f"{counts} left open, as reported before: {reason.description}.")
            elif new < fines.users:
                has = "has" if new == 1 else "have"
                new_ones = f"{pluralize(new, 'user')} {has} not been reported before."
                warnings.append(f"{counts} left open: {reason.description}. {new_ones} {advice}")
            else:
                warnings.append(f"{counts} left open: {reason.description}. {advice}")
    return warnings, known


def describe_kept_users(job: MaintenanceJob) -> Iterable[str]:
    """Says which users a job kept until somebody acts."""
    for reason, advice in ADVICE.items():
        if kept := job.skipped.get(reason):
            yield f"Kept: {pluralize(kept.users, 'user')} {advice} (`bin/bursar jobs results {job.id}` lists them)."


def describe_rejects(file_id: int, name: str, records: int, outcomes: Mapping[str, OutcomeTotals]) -> Iterable[str]:
    """Says how many records of a file had no effect; `outcomes` are those without effect."""
    if rejects := {outcome: one for outcome, one in outcomes.items() if outcome not in EXPECTED_OUTCOMES}:
        count = sum(one.records for one in rejects.values())
        yield (
            f"{count:,} of {pluralize(records, 'record')} in {name} had no effect ({count_outcomes(rejects)}). "
            f"Ask the bursar (`bin/bursar imports rejects {file_id}` lists them with their reasons)."
        )


def describe_skipped_entries(skipped: Row[Any], *, what: str = "payment file", section: str = "import") -> str:
    """Says which entries of the bursar's folder are not taken, and why; `skipped` has one reason.

    `what` are the files that are wanted there, and `section` is that of the profile.
    """
    advice = (
        "Ask the bursar to rename, replace or remove it."
        if skipped.is_odd
        else f"If it is a {what}, correct the {section} section of the profile, or ask the bursar."
    )
    taken = "imported" if section == "import" else "compared"
    return f"Not {taken}, because {skipped.reason}: {list_skipped_names(skipped)}. {advice} It is not named again."


def list_skipped_names(skipped: Row[Any]) -> str:
    """Returns the names of entries that are not taken, as far as they are shown, and the number of the others."""
    more = skipped.entries - len(skipped.names)
    return ", ".join(skipped.names) + (f" and {more:,} more" if more else "")


def describe_double_payments(file_id: int, name: str, outcomes: Mapping[str, OutcomeTotals]) -> Iterable[str]:
    """Says how much a file pays that had been settled at the library, or cancelled by credits."""
    if twice := sum_by_currency(one.paid_twice for one in outcomes.values()):
        yield (
            f"{format_totals(twice)} in {name} pays fines that had been settled at the library, or cancelled by "
            "credits. Unless it repeats an earlier report, students have paid twice. Reversals and credits report it "
            f"to the bursar, who owes it to the students (`bin/bursar imports rejects {file_id}` lists the payments)."
        )


def describe_reversed_payments(file_id: int, name: str, outcomes: Mapping[str, OutcomeTotals]) -> Iterable[str]:
    """Says how much of earlier payments a file reverses."""
    if reversed_ := outcomes.get(PaymentOutcome.PAYMENT_REVERSED):
        verb = "reverses" if reversed_.records == 1 else "reverse"
        amounts = {currency: abs(amount) for currency, amount in reversed_.applied.items()}
        yield (
            f"{pluralize(reversed_.records, 'record')} in {name} {verb} an earlier payment, {format_totals(amounts)} "
            "in all: the bursar took it back, as for a returned cheque. The fines are outstanding at the bursar again "
            f"(`bin/bursar imports rejects {file_id}` lists them)."
        )


def describe_held_overpayments(name: str, held: Sequence[HeldOverpayment]) -> Iterable[str]:
    """Says which overpayments of a file wait for a person, and how to decide about them."""
    for one in held[:MAX_OVERPAYMENTS_SHOWN]:
        yield (
            f"Record {one.record} in {name} (transaction {one.transaction_id}) overpays fine {one.fine_id} by "
            f"{format_money(one.amount, one.currency)}, which is beyond the limit of the profile. It becomes no credit "
            "by itself. Ask the bursar whether the student paid that much. "
            f"{describe_decisions(one.file_id, one.record)}"
        )
    if len(held) > MAX_OVERPAYMENTS_SHOWN:
        yield (
            f"{pluralize(len(held), 'overpayment')} in {name} are beyond the limit. {Page.WAITING} lists all "
            "(`bin/bursar overpayments list`)."
        )


def describe_growing_sums(name: str, profile: str, fines: int) -> Iterable[str]:
    """Says that the sums of a file look like totals, for so many fines."""
    if fines:
        yield (
            f"The sums in {name} look like totals of all payments so far: {pluralize(fines, 'fine')} got sums that "
            "only grow, or more than was owed twice in a row. If the bursar repeats earlier payments in each file, set "
            f"amount_mode to cumulative in the import section of the profile {profile}. Credits for overpayments may "
            f"then be wrong. {Page.FINES} shows where they come from (`bin/bursar fines show`). Waive them at the desk "
            "(`bin/bursar desk waive`)."
        )


def describe_repeated_file(arrival: RepeatedArrival) -> str:
    """Says that a file had no effect since its bytes are known, and how to apply it after all."""
    if arrival.again_file_id and arrival.applied_again_at:
        change = (
            f". A person had it applied again, as file {arrival.again_file_id}. The page of that file names the person "
            "(`bin/bursar imports list`)."
        )
    elif arrival.again_file_id:
        change = (
            f". A person began to apply it again, as file {arrival.again_file_id}; that has not been completed, "
            f"and not all of its payments are applied. Apply it again under {Page.WAITING} "
            f"(`bin/bursar imports apply-again {arrival.id}`), which completes it."
        )
    elif arrival.is_same_file:
        return (
            f"{arrival.name} has arrived before (number {arrival.same_arrival_id}), with the same name, size, time and "
            "content: it is that file, which was not moved away. It changed nothing."
        )
    else:
        change = (
            "; it changed nothing. Ask the bursar whether it repeats a report, or reports another payment of the same "
            f"amounts. In that case apply it, once, under {Page.WAITING} "
            f"(`bin/bursar imports apply-again {arrival.id}`)."
        )
    if arrival.applied_name == arrival.name:
        return f"{arrival.name} has the same content as a file of that name that was applied before{change}"
    return f"{arrival.name} has the same content as {arrival.applied_name}, which was applied before{change}"


def _describe_batch(batch: Batch) -> str:
    return f"Batch {batch.id} with {pluralize(batch.fines, 'fine')} ({format_totals(batch.net)})"
