"""The structure of a payment file: the elements that `parse` needs, and the places where it expects them."""

from bursar.layouts.alma_xml.namespace import NAMESPACE

ROOT = "xml-fragment"
LIST, USERS, FINES = "userExportedList", "userExportedFineFeesList", "finefeeList"
RECORD = "userFineFee"
FIELDS = ("bursarTransactionId", "internalId", "currency", "sum")  # as in Record
IGNORABLE = ("exportNumber", "user", "patronName")  # may be in a file without records, too


class Element(dict[str, "Element"]):
    """An element at its place; maps the full names of its children to these."""

    __slots__ = ("expected", "is_needed", "name")  # looked up twice for each element of a file

    def __init__(self, name: str, *children: "Element", is_needed: bool = False) -> None:
        super().__init__(_by_full_name(children))
        self.name: str = name
        self.is_needed: bool = is_needed
        self.expected: dict[str, Element] | None = None


class ListElement(Element):
    """An element around the records. It starts without children: the first one of each name is reported as unknown."""

    __slots__ = ()

    def __init__(self, name: str, *children: Element) -> None:
        super().__init__(name)
        self.expected = _by_full_name(children)


def build_structure() -> Element:
    """Builds the structure of a file from the document down; a reader adds the other elements that it meets."""
    transaction_id, internal_id, currency, sum_ = (Element(name, is_needed=True) for name in FIELDS)
    composite_sum = Element("compositeSum", currency, sum_, is_needed=True)
    record = Element(RECORD, transaction_id, internal_id, composite_sum, is_needed=True)
    users = ListElement(USERS, ListElement(FINES, record))
    return Element("", ListElement(ROOT, ListElement("userExportedFineFees", ListElement(LIST, users))))


def _by_full_name(elements: tuple[Element, ...]) -> dict[str, Element]:
    return {f"{NAMESPACE} {element.name}": element for element in elements}
