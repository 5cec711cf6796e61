"""Enumerations whose members have a description."""

import json

from bursar.described_enum import DescribedEnum


class Fruit(DescribedEnum):
    """An enumeration with two members."""

    PEAR = "pear", "a pear"
    APPLE = "apple", "an apple"


def test_a_member_is_its_value() -> None:
    assert Fruit("apple") is Fruit.APPLE
    assert json.dumps({"fruit": Fruit.PEAR}) == '{"fruit": "pear"}'
    assert {"pear": 1}[Fruit.PEAR] == 1
    assert f"{Fruit.PEAR}" == "pear"


def test_an_unknown_value_is_its_own_description() -> None:
    assert [Fruit.describe(value) for value in ("pear", "plum")] == ["a pear", "plum"]


def test_mappings_are_sorted_by_member_and_unknown_values_come_last() -> None:
    assert list(Fruit.sort({"plum": 3, "apple": 2, "pear": 1})) == ["pear", "apple", "plum"]
