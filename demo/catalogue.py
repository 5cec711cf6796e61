# ruff: noqa: RUF001  a catalogue holds every script there is, letters that resemble Latin ones included
"""The contents of the demo library: libraries, people and books."""

import unicodedata
from typing import NamedTuple

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
