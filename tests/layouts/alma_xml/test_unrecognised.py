"""Files in which no payment is recognised are refused, and nothing in the lists around the records is ignored."""

import pytest

from tests.support.payment_xml import EMPTY, ID, NAMED, SUM, USER, fragment, read, refusal


@pytest.mark.parametrize(
    "inner",
    [
        "<xb:userExportedFineFees><xb:userExportedList/></xb:userExportedFineFees>",
        EMPTY,
        f"<xb:userExportedFineFees><xb:exportNumber>7</xb:exportNumber></xb:userExportedFineFees>\n{EMPTY}",
        EMPTY.replace("<xb:finefeeList", f"{USER}<xb:finefeeList"),
        EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList><!-- none\n --></xb:finefeeList>\n"),
    ],
    ids=["no users", "no fines", "an export number", "a user without fines", "blanks and a comment"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_whose_list_is_empty_gives_no_records(inner: str, encoding: str) -> None:
    assert read(fragment(inner).encode(encoding)) == []


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("", "1: … Found: no userExportedList."),
        ("<xb:userExportedFineFees/>", "1: … Found: no userExportedList."),
        ("\n<xb:exportNumber>7</xb:exportNumber>", "2: … Found: no userExportedList."),
        (EMPTY.replace("<xb:finefeeList/>", USER), "1: … Found: no finefeeList."),
        (NAMED, "1: … Found: 'paid' in finefeeList."),
        (NAMED.replace(":paid>", ":userFineFees>"), "1: … Found: 'userFineFees' in finefeeList."),
        (NAMED.replace(":paid>", ":finefeeRecord>"), "1: … Found: 'finefeeRecord' in finefeeList."),
        (NAMED.replace("finefeeList", "fineFeeList"), "1: … Found: 'fineFeeList' in userExportedFineFeesList."),
        (NAMED.replace("ExportedList>", "PaidList>"), "1: … Found: 'userPaidList' in userExportedFineFees."),
        (NAMED.replace("userExportedFineFees>", "paid>"), "1: … Found: 'paid' in xml-fragment."),
        (
            f"\n<xb:userExportedList>\n{ID}{SUM}</xb:userExportedList>",
            "2: … Found: 'userExportedList' in xml-fragment.",
        ),
        (EMPTY + "\n<xb:paidToday><xb:sum>5</xb:sum></xb:paidToday>", "2: … Found: 'paidToday' in xml-fragment."),
        (f"{EMPTY}\n{EMPTY.replace('<xb:finefeeList/>', '<xb:paid/>')}", "2: … Found: 'paid' in userExported"),
        (
            EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList>70001;5</xb:finefeeList>"),
            "1: … Found: text in finefeeList.",
        ),
        (
            EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList><a xmlns='urn:a'/><b/><c/></xb:finefeeList>"),
            "1: … Found: 'a' of another namespace in finefeeList, 'b' of another namespace in finefeeList.",
        ),
        (
            EMPTY.replace("xb:userExportedList", "userExportedList"),
            "1: … Found: 'userExportedList' of another namespace",
        ),
        (NAMED.replace(":paid>", f":{'a' * 90}>"), f"1: … Found: '{'a' * 23}…' in finefeeList."),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_in_which_no_payment_is_recognised_is_refused(inner: str, found: str, encoding: str) -> None:
    """A file of another structure must not end as an import of nothing."""
    line, _, rest = found.partition("… ")
    expected = (
        "no payment is recognised. Expected: userFineFee in userExportedList/userExportedFineFeesList/finefeeList"
    )
    assert refusal(fragment(inner).encode(encoding)).startswith(f"{line}{expected}. {rest}")


@pytest.mark.parametrize("before", ["", f"<xb:userFineFee>{ID}{SUM}</xb:userFineFee>\n"])
def test_a_record_whose_name_differs_by_case_is_refused_among_others_too(before: str) -> None:
    line = 1 + before.count("\n")
    content = EMPTY.replace("<xb:finefeeList/>", f"<xb:finefeeList>{before}<xb:userfinefee/></xb:finefeeList>")
    assert refusal(fragment(content)).startswith(f"{line}: a payment is not recognised. Expected: userFineFee in")


REFUND = f"<xb:refund>{ID}{SUM}</xb:refund>"
END_OF_LIST = "</xb:finefeeList></xb:userExportedFineFeesList></xb:userExportedList>"
START_OF_LIST = "<xb:userExportedList><xb:userExportedFineFeesList><xb:finefeeList>"
RECORD = f"<xb:userFineFee>{ID}{SUM}</xb:userFineFee>"


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        (f"\n{RECORD}\n{REFUND}", {3: "'refund' in finefeeList"}),
        (f"{REFUND}\n{RECORD}\n{REFUND}", {1: "'refund' in finefeeList", 3: "'refund' in finefeeList"}),
        (f"x\n{RECORD}\n\n y&amp;\nz", {1: "text in finefeeList", 4: "text in finefeeList"}),
        (f"{RECORD}\n<total xmlns=''/>", {2: "'total' of another namespace in finefeeList"}),
        (
            f"{RECORD}</xb:finefeeList>\n<xb:fineFeeList>{REFUND}</xb:fineFeeList>\n<xb:user/><xb:finefeeList>",
            {2: "'fineFeeList' in userExportedFineFeesList"},
        ),
        (
            RECORD + END_OF_LIST + f"\n<xb:userPaidList>{REFUND}</xb:userPaidList>\n" + START_OF_LIST,
            {2: "'userPaidList' in userExportedFineFees"},
        ),
    ],
)
def test_anything_else_beside_records_is_named_with_its_line_and_counted(inner: str, found: dict[int, str]) -> None:
    """It may be a payment of another form, and must not be ignored."""
    records = read(fragment(EMPTY.replace("<xb:finefeeList/>", f"<xb:finefeeList>{inner}</xb:finefeeList>")))

    assert [record.number for record in records] == list(range(1, len(records) + 1))
    assert [record.transaction_id for record in records if not record.problem] == ["70001"]
    others = [record for record in records if record.problem]
    assert {record.line: record.problem for record in others} == {
        line: f"not recognised as a payment: {what}. Expected: userFineFee in userExportedList/"
        "userExportedFineFeesList/finefeeList"
        for line, what in found.items()
    }
    assert {record[2:6] for record in others} == {(None, None, None, None)}


def test_only_other_elements_are_refused_even_if_they_are_many() -> None:
    content = EMPTY.replace("<xb:finefeeList/>", f"<xb:finefeeList>{REFUND * 10_000}</xb:finefeeList>")
    assert "Found: 'refund' in finefeeList. Ask" in refusal(fragment(content))
