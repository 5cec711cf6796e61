"""The model of a source of the kind `koha`, and the file and the report of the manual."""

import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.report import COLUMNS
from tests.support.koha_library import REPORT_TEXT, make_koha_source
from tests.support.koha_report import save_report
from tests.support.tracked_files import PROJECT

MANUAL = PROJECT / "docs" / "how-to" / "connect-koha.md"
ATTRIBUTE = {"code": "BURSAR", "value": "yes"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"report": 0}, "greater than or equal to 1"),
        ({"owner_order": []}, "at most once, and at least one"),
        ({"owner_order": ["item", "item"]}, "at most once, and at least one"),
        ({"owner_order": ["branch"]}, "'line', 'item' or 'patron'"),
        ({"identifiers": {"02": "STUDENT_NO"}}, "write cardnumber, userid, sort1, sort2, or attribute and its code"),
        ({"identifiers": {"02": "attribute A,B"}}, "write cardnumber, userid, sort1, sort2, or attribute and its code"),
        ({"credit_type": "a b"}, "write the code of a credit type"),
        ({"credit_types": {"ONLINE": "cash"}}, "'credit' or 'payment'"),
        ({"handed_over_attribute": ATTRIBUTE}, "needs no mark: write closes_fines_when: paid"),
        ({"owners": {}}, "the map is empty"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_koha_source(**changes)


def test_a_mark_goes_with_fines_that_are_closed_when_they_are_paid() -> None:
    source = make_koha_source(handed_over_attribute=ATTRIBUTE, closes_fines_when="paid")
    assert source.handed_over_attribute
    assert source.handed_over_attribute.value == "yes"


def test_the_codes_of_attributes_are_those_of_the_identifiers() -> None:
    source = make_koha_source(identifiers={"1": "attribute B", "2": "sort1", "3": "attribute A", "4": "attribute B"})
    assert source.attribute_codes == ["A", "B"]


def test_the_file_of_the_manual_is_a_source() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    data = yaml.load(text, yaml.BaseLoader)  # noqa: S506  as Bursar reads files: all values are texts
    source = KohaSource.model_validate(data | {"currency": "USD", "time_zone": "UTC"})
    assert (source.report, source.write_back.handed_over) == (101, "show")


def test_the_report_of_the_manual_has_the_columns_and_each_parameter_once() -> None:
    text = save_report(REPORT_TEXT.read_text(encoding="utf-8"))
    labels = re.findall("<<(.*?)>>", text)
    assert len(labels) == len(set(labels)) == 6
    assert "LIMIT" not in text
    assert all(re.search(rf"\b{column}\b", text) for column in COLUMNS)


def test_the_manual_has_a_row_for_each_refusal() -> None:
    text = " ".join(MANUAL.read_text(encoding="utf-8").split())
    for words in (
        "may have gone to other fines of the patron",
        "was not used",
        "It was recorded more than once",
        "was voided in Koha",
        "Koha has no call that closes a credit",
        "Koha has no call that opens a fine again",
        "Koha refuses the credit",
    ):
        assert words in text
