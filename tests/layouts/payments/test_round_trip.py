"""Any payments, written by code of its own as a layout says, are read as they were."""

import csv
import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bursar.layouts.payments.records import PaymentRecord
from tests.support.payment_layouts import make_layout, read

COLUMNS = ("Ref", "Fine", "Paid", "Day", "Currency", "Remark")
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "vertical bar": "|"}


def write_amount(cents: int, picture: str) -> str:
    """Writes an amount in a picture; not with the code of the project."""
    number = picture.strip("+-()").removeprefix("abs ")
    whole, rest = divmod(abs(cents), 100)
    text = {
        "0.00": f"{whole}.{rest:02}",
        "0,00": f"{whole},{rest:02}",
        "cents": f"{whole * 100 + rest}",
        "plain": f"{whole}.{rest:02}".rstrip("0").rstrip("."),
    }[number]
    minus = cents < 0
    if picture.startswith("abs"):
        assert not minus
        return text
    if picture.startswith("+"):
        return ("-" if minus else "+") + text
    if picture.startswith("("):
        return f"({text})" if minus else text
    if picture.endswith("-"):
        return text + ("-" if minus else " ")
    return ("-" if minus else "") + text


pictures = st.builds(
    lambda number, wrap: wrap(number),
    st.sampled_from(["0.00", "0,00", "cents", "plain"]),
    st.sampled_from([str, "+{}".format, "{}-".format, "({})".format]),
)
ids = st.text(st.sampled_from("ABCXYZ0123456789-/."), min_size=1, max_size=12)
payments = st.lists(
    st.tuples(
        ids, ids, st.integers(-99_999_999_999, 99_999_999_999), st.dates(), st.sampled_from(["USD", "EUR", "CHF"])
    ),
    max_size=20,
)
remarks = st.text(st.characters(codec="windows-1252", exclude_characters="\0\x1a"), max_size=30)


@given(
    paid=payments,
    picture=pictures,
    remark=remarks,
    order=st.permutations(COLUMNS),
    separator=st.sampled_from(list(SEPARATORS)),
    encoding=st.sampled_from(["utf-8", "windows-1252"]),
    has_mark=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    has_heading=st.booleans(),
)
def test_delimited_payments_are_read_as_they_were_written(  # noqa: PLR0917
    paid: list[tuple],  # type: ignore[type-arg]
    picture: str,
    remark: str,
    order: list[str],
    separator: str,
    encoding: str,
    has_mark: bool,
    end: str,
    quoting: int,
    has_heading: bool,
) -> None:
    where = {name: name if has_heading else place for place, name in enumerate(order, 1)}
    layout = make_layout(
        f"for: payments\nkind: delimited\nencoding: [utf-8, windows-1252]\ndelimiter: {separator}\n"
        f"heading: {'yes' if has_heading else 'no'}\nfields:\n"
        f"  transaction_id: {{column: {where['Ref']}}}\n  internal_id: {{column: {where['Fine']}}}\n"
        f'  sum: {{column: {where["Paid"]}, as: "{picture}"}}\n  currency: {{column: {where["Currency"]}}}\n'
        f'  paid_on: {{column: {where["Day"]}, as: "%d.%m.%Y"}}\n'
    )
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=SEPARATORS[separator], lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    if has_heading:
        writer.writerow(order)
    for ref, fine, cents, day, currency in paid:
        row = (ref, fine, write_amount(cents, picture), f"{day.day:02}.{day.month:02}.{day.year:04}", currency, remark)
        writer.writerow([row[COLUMNS.index(name)] for name in order])
    content = out.getvalue().encode("utf-8-sig" if has_mark and encoding == "utf-8" else encoding)
    if not paid and not has_heading:
        return  # an empty file is rejected
    records = read(layout, content)
    assert [record.problem for record in records] == [None] * len(paid)
    found = [
        (one.number, one.transaction_id, one.internal_id, Decimal(one.sum or "NaN"), one.paid_on, one.currency)
        for one in records
    ]
    assert found == [
        (number, ref, fine, Decimal(cents) / 100, day.isoformat(), currency)
        for number, (ref, fine, cents, day, currency) in enumerate(paid, 1)
    ]


@given(
    paid=payments.filter(bool),
    picture=pictures,
    widths=st.lists(st.integers(12, 20), min_size=5, max_size=5),
    gaps=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    shorter=st.integers(0, 3),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_fixed_payments_are_read_as_they_were_written_and_agree_with_their_trailer(
    paid: list[tuple],  # type: ignore[type-arg]
    picture: str,
    widths: list[int],
    gaps: list[int],
    shorter: int,
    end: str,
) -> None:
    widths = [*widths[:2], widths[2] + 8, *widths[3:]]  # of the sum, which also has the total
    starts = [2 + sum(widths[:place]) + sum(gaps[:place]) for place in range(5)]
    places = [f"{start}-{start + width - 1}" for start, width in zip(starts, widths, strict=True)]
    length = starts[-1] + widths[-1] - 1 + shorter
    layout = make_layout(
        "for: payments\nkind: fixed\nencoding: ascii\nrecords:\n"
        f"  - {{each: payment, starts: D, length: {length}, may_be_shorter: {shorter}}}\n"
        f'  - {{each: file, starts: T, count: {{at: {places[0]}}}, sum: {{at: {places[2]}, as: "{picture}"}}}}\n'
        f"fields:\n  transaction_id: {{at: {places[0]}}}\n  internal_id: {{at: {places[1]}}}\n"
        f'  sum: {{at: {places[2]}, as: "{picture}"}}\n  paid_on: {{at: {places[3]}, as: "%Y%m%d"}}\n'
        f"  reference: {{at: {places[4]}}}\n  identifier: {{at: {places[4]}}}\n  currency: {{is: EUR}}\n"
    )
    lines = []
    for ref, fine, cents, day, currency in paid:
        texts = [ref, fine, write_amount(cents, picture), f"{day.year:04}{day:%m%d}", currency]
        lines.append(["D", *texts])
    lines.append(["T", str(len(paid)), "", write_amount(sum(one[2] for one in paid), picture), "", ""])
    content = end.join(
        line[0]
        + "".join(f"{text:{width}}{'':{gap}}" for text, width, gap in zip(line[1:], widths, gaps, strict=True))[
            : length - 1
        ]
        for line in lines
    )
    found = [
        (one.transaction_id, one.internal_id, Decimal(one.sum or "NaN"), one.paid_on, one.reference, one.problem)
        for one in read(layout, content.encode())
    ]
    assert found == [
        (ref, fine, Decimal(cents) / 100, day.isoformat(), currency, None) for ref, fine, cents, day, currency in paid
    ]


def test_a_record_has_the_fields_of_the_records_of_xml_first() -> None:
    from bursar.layouts.alma_xml.records import Record  # noqa: PLC0415

    assert PaymentRecord._fields[: len(Record._fields)] == Record._fields
