"""The note of a run: ours, above what a person wrote there."""

from bursar.orchestration.run_notes import LONGEST, merged, note_of

OURS = note_of("completed with warnings", ["Look here.", "And there."])


def test_the_note_is_the_outcome_and_a_list() -> None:
    assert OURS == "Outcome: **completed with warnings**\n- Look here.\n- And there."


def test_what_a_person_wrote_stays_below_and_ours_is_replaced() -> None:
    person = "Asked the bursar.\n\nThey will call."
    first = merged(OURS, person)

    assert first == f"{OURS}\n\n{person}"
    assert merged(note_of("completed", []), first) == f"Outcome: **completed**\n\n{person}"
    assert merged(OURS, None) == OURS
    assert merged(note_of("completed", []), OURS) == "Outcome: **completed**"


def test_a_note_is_never_longer_than_airflow_keeps() -> None:
    note = merged(note_of("failed", ["x" * 2_000]), "y" * 2_000)

    assert len(note) == LONGEST
    assert "x …\n\nyyy" in note
