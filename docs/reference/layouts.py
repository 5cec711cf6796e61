"""The introduction of the page of layouts: the values that a layout may show, and their pictures."""

from bursar.layouts.values import OF_BATCH, OF_FINE, OF_USER, TOTALS, TOTALS_OF_FILE

INTRODUCTION = """\
A layout says how the file of an export looks. It is a file of `include/layouts`, which a profile chooses by its name,
as in `layout: banner` below `export`. Without a layout, a profile exports the [XML format](xml.md). [Write a
layout](../how-to/write-a-layout.md) shows how to make one from a bursar's description.

## Values

A template is a text with values in braces. These are the values; `values` of a layout adds codes and terms.

| values | names |
| --- | --- |
{values}

- Lines of a user or of the file also have `hash.` with a text of a fine: the sum of its numbers in all lines, as in
  `{{hash.identifier:10}}`. They have `min.` and `max.` with a day of a fine, as in
  `{{max.last_transaction_on:%Y%m%d}}`.
- `exported_on` is the day of the selection, and days are those of the profile's time zone. `last_transaction_on` is the
  day on which the fine was charged or, if later, changed. `charged_on` is the day on which the charge was exported that
  a credit or a reversal takes back. Of all other fines it is `exported_on`.
- `direction` is `charge` or `credit`; `kind` is `charge`, `credit` or `reversal`.
- `records` are the lines of users and fines together. `credits` are 0 or less. With several `files`, totals are those
  of the file, and `number` counts the fines of the batch.

After a colon stands how a value is written:

| value | pictures |
| --- | --- |
| money | {money} |
| day, moment | `%Y %y %m %d %j`, and of `exported_at` also `%H %M %S`, with any signs between |
| text | `upper`, `lower`, `first 7`, `last 7`, `without zeros` (in front), or several with a blank between |
| number | none, or as many zeros as it has digits at least, as in `0000` |
| hash | the number of the last digits that are shown, as in `10` |

## Keys"""
MONEY = (
    "`0.00`, `0,00`, `cents`, `plain` (as many decimals as needed); with `abs ` before it no sign, with `+` always "
    "one, with `-` behind it a minus behind, in parentheses negative amounts in parentheses"
)


def describe_layouts() -> str:
    """Returns the introduction, with the names of all values."""
    values = {
        "of the batch": OF_BATCH,
        "of a fine": OF_FINE,
        "of a user": OF_USER,
        "totals of a user": TOTALS,
        "totals of the file": TOTALS_OF_FILE,
    }
    rows = [f"| {kind} | {', '.join(f'`{name}`' for name in names)} |" for kind, names in values.items()]
    return INTRODUCTION.format(values="\n".join(rows), money=MONEY)
