"""Reading a bursar's XML: each record with its values and its line."""

import pytest

from bursar.layouts.alma_xml.records import Record
from tests.support.payment_xml import CLOSING, ID, NIL, OPENING, PAYMENT, SAMPLE, SUM, file_of, read


def test_the_sample_gives_its_records_with_their_lines() -> None:
    assert read(SAMPLE) == [
        Record(1, 18, "70001", None, "USD", "300", None),
        Record(2, 41, "70002", None, "USD", "-3.25", None),
        Record(3, 77, "70003", None, "CAD", "0.82", None),
    ]


@pytest.mark.parametrize("count", [0, 1, 1_000, 1_001])
def test_every_record_of_a_file_is_read(count: int) -> None:
    found = read(file_of(*(f"<xb:internalId>{i}</xb:internalId>{SUM}" for i in range(count))))
    assert found == [Record(i + 1, i + 2, None, str(i), "USD", "5", None) for i in range(count)]


def test_lines_are_exact_in_long_files() -> None:
    found = read(OPENING + "<xb:userFineFee/>\r\n" * 70_000 + "\n<xb:userFineFee\n/>" + CLOSING)
    assert (found[-2].line, found[-1].line, found[-1].number) == (70_001, 70_003, 70_001)


@pytest.mark.parametrize("prefix", ["", "bursar:", "É.1:"])
def test_the_prefix_of_the_namespace_does_not_matter(prefix: str) -> None:
    declared = f"xmlns:{prefix}".rstrip(":")
    content = (
        SAMPLE.decode().replace("xmlns:xb", declared).replace("<xb:", f"<{prefix}").replace("</xb:", f"</{prefix}")
    )
    assert "xb:" not in content
    assert read(content) == read(SAMPLE)


def test_lists_add_up_and_the_export_number_may_be_missing() -> None:
    opening, inner = file_of(SUM).removesuffix("</xb:xml-fragment>").split(">", maxsplit=1)
    content = f"{opening}>{inner * 3}</xb:xml-fragment>"
    assert [record.number for record in read(content)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fine", "record"),
    [
        ("", Record(1, 2, None, None, None, None, None)),
        (ID + SUM, PAYMENT),
        (SUM + ID, PAYMENT),
        (f"{SUM}<xb:internalId>00A</xb:internalId>", PAYMENT._replace(transaction_id=None, internal_id="00A")),
        (ID, PAYMENT._replace(currency=None, sum=None)),
        (f"{ID}<xb:compositeSum><xb:sum>5</xb:sum></xb:compositeSum>", PAYMENT._replace(currency=None)),
        (ID.replace("70001", "\n\t 70001 \n") + SUM, PAYMENT),
        (ID.replace("70001", "7<!-- no. -->0<?a b?>0<![CDATA[0]]>&#49;") + SUM, PAYMENT),
        (ID.replace("70001", " \n ") + SUM, PAYMENT._replace(transaction_id=None)),
        (f"<xb:bursarTransactionId/>{SUM}", PAYMENT._replace(transaction_id=None)),
        (f'<xb:bursarTransactionId {NIL}"true"/>{SUM}', PAYMENT._replace(transaction_id=None)),
        (ID + SUM.replace("<xb:sum", f'<xb:sum {NIL}"1"'), PAYMENT._replace(sum=None)),
        (ID + SUM.replace("<xb:sum", f'<xb:sum {NIL}"false"'), PAYMENT),
        (ID.replace("70001", "&lt;&amp;'é\N{GRINNING FACE}") + SUM, PAYMENT._replace(transaction_id="<&'é😀")),
        (ID.replace("70001", "x" * 20_000) + SUM, PAYMENT._replace(transaction_id="x" * 20_000)),
    ],
)
def test_a_record_is_what_its_fine_says(fine: str, record: Record) -> None:
    assert read(file_of(fine)) == [record]


@pytest.mark.parametrize(
    "fine",
    [
        f"<xb:itemCallNumebr>PG 3476</xb:itemCallNumebr>{ID}{SUM}",
        f"<xb:itemCallNumber>PG 3476</xb:itemCallNumber>{ID}{SUM}",
        f"<xb:sum>9</xb:sum><xb:currency>EUR</xb:currency>{ID}{SUM}",
        f"<xb:refund><xb:compositeSum><xb:sum>9</xb:sum></xb:compositeSum></xb:refund>{ID}{SUM}",
        f'{ID}{SUM}<b:x xmlns:b="urn:b"><b:sum>9</b:sum><xb:bursarTransactionId>1</xb:bursarTransactionId></b:x>',
        f'<compositeSum><sum>9</sum></compositeSum><x:sum xmlns:x="urn:x">9</x:sum>{ID}{SUM}',
        f"text of its own {ID} and more {SUM} and & the end".replace("&", "&amp;"),
        ID + SUM.replace("<xb:sum>", "<xb:vat>1</xb:vat><xb:tax><xb:sum>9</xb:sum></xb:tax><xb:sum>"),
    ],
)
def test_what_is_not_needed_is_ignored(fine: str) -> None:
    assert read(file_of(f"<xb:paidAt>10</xb:paidAt>{fine}")) == [PAYMENT]


@pytest.mark.parametrize(
    ("fine", "record"),
    [
        (ID + SUM + ID, PAYMENT._replace(transaction_id=None, problem="bursarTransactionId is given more than once")),
        (
            ID + SUM.replace("<xb:sum>", "<xb:sum/><xb:sum>"),
            PAYMENT._replace(sum=None, problem="sum is given more than once"),
        ),
        (
            ID + SUM.replace("5", "5<x>0</x>0"),
            PAYMENT._replace(sum=None, problem="sum has elements in it"),
        ),
        (
            f"{ID}{SUM}<xb:compositeSum/>",
            PAYMENT._replace(problem="compositeSum is given more than once"),
        ),
    ],
)
def test_what_is_not_certain_is_a_problem_of_its_record_only(fine: str, record: Record) -> None:
    assert read(file_of(fine, ID + SUM)) == [record, PAYMENT._replace(number=2, line=3)]
