"""The note of a run: ours, followed by the text of a person."""

from bursar.airflow.run_listener import MAX_NOTE_LENGTH, format_note, merge_notes

OURS = format_note("completed with warnings", ["Look here.", "And there."])


def test_the_note_is_the_outcome_and_a_list() -> None:
    assert OURS == "Outcome: **completed with warnings** (Bursar \\> Job history)\n- Look here.\n- And there."


def test_the_text_of_a_person_stays_below_and_ours_is_replaced() -> None:
    person = "Asked the bursar.\n\nThey will call."
    first = merge_notes(OURS, person)

    assert first == f"{OURS}\n\n{person}"
    completed = format_note("completed", [])
    assert merge_notes(completed, first) == f"{completed}\n\n{person}"
    assert merge_notes(OURS, None) == OURS
    assert merge_notes(completed, OURS) == completed


def test_the_note_of_a_failed_run_begins_with_the_reason() -> None:
    failed = format_note(
        "failed", ["Batch 3 is released."], reason="The upload of the file failed: The server_name is *wrong*."
    )

    assert failed == (
        "**The upload of the file failed: The server_name is \\*wrong\\*.**\n"
        "- Outcome: failed (Bursar \\> Job history)\n- Batch 3 is released."
    )
    assert merge_notes(OURS, merge_notes(failed, "Asked the bursar.")) == f"{OURS}\n\nAsked the bursar."


def test_a_note_is_never_longer_than_airflow_allows() -> None:
    note = merge_notes(format_note("failed", ["x" * 2_000]), "y" * 2_000)

    assert len(note) == MAX_NOTE_LENGTH
    assert "x …\n\nyyy" in note
