"""A profile that leaves its credits to another one: the other one exists and sends them."""

from collections.abc import Callable

import pytest

from bursar.profiles import Profile

Load = Callable[..., tuple[list[Profile], list[str]]]


def make_others(good: str) -> tuple[str, str]:
    """Returns the profiles LAW, which leaves its credits to MAIN, and MAIN."""
    main = good.replace("code: LAW", "code: MAIN").replace("law/", "main/")
    return good.replace("export:\n", "export:\n  credits_profile: MAIN\n"), main


def test_a_profile_leaves_its_credits_to_another_one(load: Load, good: str) -> None:
    law, main = make_others(good)
    profiles, problems = load(law=law, main=main)
    assert [(one.code, one.export.credits_profile) for one in profiles] == [("LAW", "MAIN"), ("MAIN", None)]
    assert problems == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("export:\n  active: yes", "export:\n  active: no",
         "the export section of MAIN is not active, so nobody would send the credits: activate it"),
        ("export:\n", "export:\n  credits_profile: ARTS\n",
         "MAIN sends no credits itself: write ARTS, which sends those of MAIN"),
    ],
)  # fmt: skip
def test_charges_are_sent_while_nobody_sends_the_credits(
    load: Load, good: str, old: str, new: str, problem: str
) -> None:
    law, main = make_others(good)
    arts = good.replace("code: LAW", "code: ARTS").replace("law/", "arts/")
    profiles, problems = load(law=law, main=main.replace(old, new), arts=arts)
    assert [one.code for one in profiles] == ["ARTS", "LAW", "MAIN"]
    assert problems == [f"law.yaml:6: export.credits_profile: {problem}"]


def test_the_other_profile_exists_and_is_not_the_same(load: Load, good: str) -> None:
    law, _ = make_others(good)
    profiles, [problem] = load(law=law)
    assert [one.code for one in profiles] == ["LAW"]
    assert problem.startswith("law.yaml:6: export.credits_profile: there is no profile MAIN, so nobody would send")
    assert load(law=law.replace("credits_profile: MAIN", "credits_profile: LAW")) == (
        [],
        ["law.yaml:6: export.credits_profile: is this profile itself: remove the line, or name another one"],
    )


def test_a_mistake_in_the_other_profile_does_not_affect_this_one(load: Load, good: str) -> None:
    law, main = make_others(good)
    profiles, problems = load(law=law, main=main.replace("days: 7", "days: seven"))
    assert [one.code for one in profiles] == ["LAW"]
    assert [problem.partition(":")[0] for problem in problems] == ["main.yaml"]


def test_an_inactive_profile_still_leaves_its_credits_to_another_one(load: Load, good: str) -> None:
    law, main = make_others(good)
    profiles, problems = load(law=law.replace("  active: yes", "  active: no"), main=main)
    assert ([one.code for one in profiles], problems) == (["LAW", "MAIN"], [])
