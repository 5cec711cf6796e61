# ruff: noqa: RUF001  a catalogue holds every script there is, letters that resemble Latin ones included
"""The contents of the demo library: libraries, people, books and the fines that they owe."""

import unicodedata
from typing import Literal, NamedTuple

from bursar.errors import BursarError

LIBRARIES = {  # code: id and name
    "MAIN": ("215300410007101", "Main Library"),
    "LAW": ("215300420007101", "Law Library"),
    "SCI": ("215300430007101", "Science Library"),
    "MED": ("215300440007101", "Medical Library"),
}

LOCATIONS = {  # of each library: location and internal location
    "MAIN": (("Stacks", "Main Stacks, Floor 3"), ("Course Reserves", "Reserve Desk"), ("Folio", "Oversize")),
    "LAW": (("Law Stacks", "Law Stacks"), ("Treatises & Codes", "Law Level 2")),
    "SCI": (("Science Stacks", "Science Basement"), ("Laptops <loan>", "Equipment")),
    "MED": (("Health Sciences", "Medical Stacks"), ("Atlases", "Medical Folio")),
}

USER_GROUPS = {
    "UNDERGRADUATE": "Undergraduate student",
    "GRADUATE": "Graduate student",
    "STAFF": "Staff",
    "FACULTY": "Faculty",
    "VISITOR": "Visiting reader",
}


class Book(NamedTuple):
    """A title in the catalogue."""

    call_number: str
    title: str


BOOKS = (
    Book("PR4662 .A1 1994", "Middlemarch /"),
    Book("QH365 .O2 2003", "On the origin of species by means of natural selection /"),
    Book("QA76.6 .K64 2011", "The art of computer programming. Volume 4A, Combinatorial algorithms"),
    Book("QA300 .R82 1976", "Principles of mathematical analysis /"),
    Book("QD31.3 .A75 2018", "Chemical principles : the quest for insight /"),
    Book("HB501 .K36 1992", "Capital : a critique of political economy /"),
    Book("BF173 .F6253 2010", "The interpretation of dreams /"),
    Book("JC571 .A67 1973", "The origins of totalitarianism /"),
    Book("QC21.3 .F49 2010", "The Feynman lectures on physics"),
    Book("PS3563 .O8749 2004", "Beloved : a novel /"),
    Book("PQ7297 .R89 2017", "Pedro Páramo ; El llano en llamas /"),
    Book("PQ2631 .R63 1987", "À la recherche du temps perdu. Du côté de chez Swann"),
    Book("PT2605 .E4 Z46 2005", "Gedichte für Ängstliche : Größe, Übermaß & Süße"),
    Book("PG7158 .L39 1977", "Solaris ; Bajki robotów ; Głos Pana (żółta seria)"),
    Book("PG5038 .C3 V3 1936", "Válka s mloky : příběh šesti kontinentů /"),
    Book("PL248 .P34 K37 2002", "Kar : ışıklı bir şehirde üç gün"),
    Book("PL4378.9 .N5 1999", "Truyện Kiều : đoạn trường tân thanh"),
    Book("PG3325 .P7 1989", "Преступление и наказание : роман в шести частях"),
    Book("PG3366 .V6 2007", "Война и мир. Том 1"),
    Book("PA5610 .K39 1984", "Ποιήματα (1897-1933) : Ἰθάκη καὶ ἄλλα"),
    Book("PJ7846 .A46 2006", "أولاد حارتنا : رواية"),
    Book("PJ5054 .A755 1990", "סיפור על אהבה וחושך"),
    Book("PL2727 .S2 1981", "红楼梦 : 一百二十回"),
    Book("PL812 .A8 K6 1991", "こころ ; 吾輩は猫である"),
    Book("PL992.9 .P34 2008", "토지 : 박경리 대하소설"),
    Book("PK2098 .P7 G6 1936", "गोदान : उपन्यास"),
)

# Difficult text for XML writers and receivers. XML 1.0 forbids \x01, \x0b, \x0c, \x1f and U+FFFF.
ODD_BOOKS = (
    Book("QA76.73 .J38 2014", "Q & A : if x < y && y > z, then \"why?\" & 'how' /"),
    Book("QA76.76 .H94 1999", "<title>HTML &amp; you</title> : ends with ]]> and goes on"),
    Book("AE5 .E363 1910", "Encyclopædia of\nline breaks,\r\ntabs\tand   spaces"),
    Book("Z699.4 .M2 1971", "Machine\x01readable \x1fcataloguing /"),
    Book("Z699.4 .M3 1972", "Vertical\x0btabs and form\x0cfeeds in card catalogues"),
    Book("Z699.4 .M4 1973", "Noncharacters \uffff and their replacement"),
    Book("PL2848 .Z5 2001", "𠮷野家の本 😀 : characters beyond the basic plane"),
    Book("PJ4583 .B5 1997", "\u200fעברית\u200e and English in one line"),
    Book("P211 .U5 1992", "Cafe\u0301 : combining accents, \u00adsoft hyphens and zero\u200bwidth spaces"),
    Book("PN6081 .L6 1968", "The long title : " + "being a true and full account of everything, " * 40),
    Book("Z1001 .C:\\ 1985", "Backslashes \\N \\. and C:\\new\\table ; 100% {braces}"),
    Book("ZZ1 .E5", ""),
)

COMMENTS = (
    "Returned through the book drop",
    'Reader says: "never had it" & wants to talk',
    "Cover torn <see photo>",
    "Renewal refused, item on hold",
    "Billed by phone;\ncalled back next day",
    "Ersatz beschafft, Rechnung Nr. 0815",
    "Note from the old system\x02\x0bimported",
)

_PEOPLE = {
    "en_US": 800, "en_CA": 160, "es_MX": 200, "fr_CA": 160, "de_DE": 100, "pl_PL": 80, "cs_CZ": 60, "tr_TR": 60,
    "ru_RU": 80, "el_GR": 60, "ar_AA": 60, "he_IL": 60, "zh_CN": 100, "ja_JP": 60, "ko_KR": 60,
}  # fmt: skip


class Person(NamedTuple):
    """A name, and the letters that the person's login starts with."""

    last_name: str
    first_name: str
    login: str

    @classmethod
    def named(cls, last_name: str, first_name: str) -> "Person":
        """The person of that name; a name without Latin letters gives the login `reader`."""
        latin = unicodedata.normalize("NFKD", first_name[:1] + last_name).encode("ascii", "ignore").decode()
        return cls(last_name, first_name, "".join(filter(str.isalpha, latin.lower()))[:8] or "reader")


ODD_PEOPLE = (
    Person.named("O'Brien-Ångström", 'Siobhán "Shiv"'),
    Person.named("Department of Physics & Astronomy <Main>", ""),
    Person.named("Nguyễn, Jr.", "Thị Ánh Tuyết"),
    Person.named("Control\x0bCharacter", "An\x01n"),
    Person.named("Wolfeschlegelsteinhausenbergerdorff" * 4, "Hubert Blaine"),
)


def people(seed: int) -> list[Person]:
    """Some 2,000 people from fifteen countries, the same for the same seed and version of Faker.

    Raises:
        BursarError: Faker is not installed.
    """
    try:
        from faker import Faker  # noqa: PLC0415  real ledgers do without it
    except ImportError as error:
        raise BursarError("Demo data needs the package Faker: install requirements-dev.txt.") from error
    crowd = []
    for locale, number in _PEOPLE.items():
        fake = Faker(locale, providers=["faker.providers.person"], use_weighting=False)
        fake.seed_instance(f"{seed} {locale}")
        for _ in range(number // 2):
            crowd.append(Person.named(fake.last_name_female(), fake.first_name_female()))
            crowd.append(Person.named(fake.last_name_male(), fake.first_name_male()))
    return crowd


MINUTE, HOUR, DAY = 60, 3600, 86400

# What happened to a fine after it was charged: kinds of journal entry, each with the percentage of what was still
# owed that it took away.
PAID = (("PAID", 40), ("PAID", 100))
PARTLY_PAID = (("PAID", 40),)
WAIVED = (("WAIVED", 100),)
PAID_OUT = (("PAID", 100),)  # of a credit
DISPUTED = (("DISPUTED", 0),)
DISPUTE_SETTLED = (("DISPUTED", 0), ("DISPUTE_SETTLED", 0))


class Charge(NamedTuple):
    """A fine, fee or credit."""

    cents: int
    age: int = 45 * DAY  # seconds before now
    fine_fee_type: str = "OVERDUEFINE"
    library: str | None = "MAIN"  # that owned the item then; None: the institution
    currency: str = "USD"
    history: tuple[tuple[str, int], ...] = ()
    item: Literal["new", "same", "none"] = "new"  # same: as the charge before it
    moved_to: str | None = None  # the library that has the item today
    reverses: int = 0  # how many charges back; 0: none
    book: Book | None = None
    comment: str | None = None


Number = Literal["regular", "none", "letters", "short"]


class Account(NamedTuple):
    """A user and the fines of the account."""

    group: str
    charges: tuple[Charge, ...]
    number: Number = "regular"  # identifier 02: eight digits, or what people type instead
    expires: int | None = 300  # days from now
    person: Person | None = None
    has_card: bool = True  # identifier 01


def _student(
    *charges: Charge, number: Number = "regular", expires: int | None = 300, person: Person | None = None
) -> Account:
    return Account("UNDERGRADUATE", charges, number, expires, person)


CARD = Charge(15_00, fine_fee_type="LIBRARYCARDREPLACEMENT", library=None, item="none")
LOST = Charge(120_00, 90 * DAY, "LOSTITEMREPLACEMENTFEE")
HANDLING = LOST._replace(cents=20_00, fine_fee_type="LOSTITEMPROCESSFEE", item="same")
FOUND = Charge(-120_00, 20 * DAY, "CREDIT", item="same", reverses=2)
CREDIT = Charge(-3_25, 40 * DAY, "CREDIT", item="none")

# Every case that an export has to tell apart, in any library however small. Days and sums are set against a wait of
# 7 days and a minimum of 10 for students, and of 30 days at the Medical Library.
CASES = (
    _student(Charge(12_50, 390 * DAY)),
    # below the minimum, at it, above it; too little in each of two currencies; only the fine that is too young lifts it
    _student(Charge(4_99), Charge(5_00)),
    _student(Charge(4_00), Charge(6_00)),
    _student(Charge(4_01), Charge(6_00)),
    _student(Charge(6_00), Charge(6_00, currency="CAD")),
    _student(Charge(25_00, currency="CAD", library="LAW")),
    _student(Charge(8_00), Charge(8_00, 3 * DAY)),
    # the wait: a day longer, a day short of it, minutes old
    _student(Charge(40_00, 8 * DAY), Charge(30_00, 6 * DAY), Charge(20_00, 5 * MINUTE)),
    # users: expired, without dates, without a number, with one that is none, with many fines, without any
    _student(Charge(15_00), expires=-200),
    _student(Charge(15_00), expires=None),
    _student(Charge(20_00), number="none"),
    _student(Charge(21_00), number="letters"),
    _student(Charge(22_00), number="short"),
    _student(*[Charge(50, age * DAY) for age in range(60, 9, -1)]),
    _student(),
    # the owner stays when the item moves
    _student(Charge(13_00, moved_to="SCI"), Charge(14_00, library="SCI", moved_to="MAIN")),
    Account("GRADUATE", (Charge(16_00, moved_to="MED"), Charge(17_00, library="MED", moved_to="LAW"))),
    # the balance of a fine counts, not its amount
    _student(Charge(30_00, history=PARTLY_PAID)),
    _student(Charge(16_00, history=(("PAID", 75),))),
    _student(Charge(40_00, history=(("WAIVED", 50),))),
    _student(Charge(19_00, history=PAID), Charge(18_00, history=WAIVED)),
    _student(Charge(50_00, history=DISPUTED), Charge(60_00, history=PARTLY_PAID + DISPUTED)),
    _student(Charge(55_00, history=DISPUTE_SETTLED)),
    # a lost book found again: before the bill was paid, and after
    _student(LOST, HANDLING, FOUND),
    _student(LOST._replace(history=PAID), HANDLING._replace(history=PAID), FOUND),
    # credits that reverse nothing: open, refunded, disputed, too young
    _student(CREDIT, CREDIT._replace(cents=-3_00, history=PAID_OUT)),
    _student(CREDIT._replace(history=DISPUTED), CREDIT._replace(age=2 * HOUR)),
    # owed to the institution: for a card, for a book from another library
    _student(CARD, Charge(45_00, fine_fee_type="DAMAGEDITEMFINE", library=None)),
    # owed to a library, for no item
    _student(Charge(12_00, fine_fee_type="OTHER", library="LAW", item="none", comment=COMMENTS[1])),
    # other groups, other libraries
    Account("VISITOR", (Charge(60_00, library="LAW"), Charge(6_00, library="MED")), number="none", has_card=False),
    Account("STAFF", (Charge(25), Charge(82, library="MED"), Charge(75, 20 * DAY, library="MED"))),
    Account("STAFF", (Charge(7_00, history=DISPUTED), Charge(8_00, library="MED", history=DISPUTED))),
    Account("FACULTY", (LOST._replace(cents=300_00, library="LAW"), HANDLING._replace(library="LAW"), CREDIT)),
    _student(Charge(11_00, library="MED"), Charge(12_00, library="SCI", fine_fee_type="RECALLEDOVERDUEFINE")),
    # text that a catalogue holds
    *[Account("GRADUATE", (Charge(18_00, library="LAW", book=book),)) for book in ODD_BOOKS],
    *[_student(Charge(11_50), person=person) for person in ODD_PEOPLE],
    *[_student(Charge(10_50, comment=comment)) for comment in COMMENTS],
    Account("GRADUATE", tuple(Charge(5_00, library="LAW", book=book) for book in BOOKS[-16:])),
)
