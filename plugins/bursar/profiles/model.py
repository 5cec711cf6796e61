"""The model of an integration profile: the fields of the wizard's two pages, and additions.

The module is long because it has the description of every key.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr
from pydantic_core import InitErrorDetails

from bursar.money import pluralize
from bursar.profiles.field_types import (
    Code,
    ConnectionId,
    IdentifierPattern,
    KnownCurrencies,
    LayoutName,
    Lines,
    RelativePath,
    RequiredIfActive,
    ScheduleLine,
    StrictModel,
    Text,
    TextList,
    TimeZone,
    WholeNumber,
    YesNo,
)
from bursar.profiles.file_job import FileJob, Job
from bursar.profiles.monitoring import (
    MAX_DAYS,
    Alerts,
    Approval,
    Notifications,
    check_alert_recipients,
)
from bursar.profiles.patterns import do_patterns_overlap
from bursar.profiles.rules import wrong
from bursar.profiles.upload import UploadSettings
from bursar.profiles.xml_form import XmlForm

System = Literal[
    "Anthology",
    "Banner",
    "CASHNet",
    "Colleague",
    "Jenzabar",
    "Nelnet",
    "Oracle",
    "PeopleSoft",
    "PowerCampus",
    "SAP",
    "TouchNet",
    "Workday",
    "Other",
]


class Export(Job):
    """The export section: which fines and fees are exported, how, and when."""

    time_before_export_days: RequiredIfActive[Annotated[WholeNumber, Field(le=MAX_DAYS)]] = Field(
        description="How many days to wait before a fine is exported. 0 exports it with the next run."
    )
    minimum_amount_for_user: WholeNumber | None = Field(
        None,
        description="The debt that a user must reach, in a currency, before that user's fines are exported. "
        "Blank or 0: no minimum, and credits are exported too. With a minimum, credits are skipped.",
    )
    user_identifier_type: RequiredIfActive[Text] = Field(
        description="The type of identifier by which the bursar knows a user. `userName` is the primary id."
    )
    identifier_pattern: IdentifierPattern | None = Field(
        None,
        description="A regular expression that the whole identifier must match. "
        "A user whose identifier does not match is reported, and the fines stay open. Blank: any identifier.",
    )
    user_groups: TextList = Field((), description="Users of these groups only. Blank: of every group.")
    fine_fee_types: TextList = Field((), description="Fines and fees of these types only. Blank: of every type.")
    institutional_fine_fee: RequiredIfActive[YesNo] = Field(
        description="Whether fines that the institution itself owns are exported."
    )
    libraries: TextList = Field(
        (),
        description="Fines that these libraries owned when they were created. Blank: no library's fines, "
        "which requires `institutional_fine_fee: yes`.",
    )
    currencies: KnownCurrencies = Field(
        (),
        description="Fines, credits and reversals in these currencies only, as in `[USD]`, for a bursar that adds up "
        "all sums of a file. Those in others stay open. A layout that adds up amounts, or does not show the currency, "
        "needs exactly one. Blank: in every currency.",
    )
    output_file_path: RequiredIfActive[RelativePath] = Field(
        description="The folder to which the file is uploaded, below the `sub_directory` of the S/FTP connection."
    )
    create_missing_folder: YesNo = Field(
        default=True,
        description="Whether a missing output folder is created. If not, it is an error.",
    )
    upload: UploadSettings = Field(
        UploadSettings(), description="How the bursar's server treats uploads. Blank: as most servers do."
    )
    xml: XmlForm = Field(XmlForm(), description="The form of the XML file. Blank: as most receivers read it.")
    layout: LayoutName | None = Field(
        None,
        description="The layout of the file: the name of a file in `include/layouts`, without `.yaml`. Blank: the XML "
        "format of Alma.",
    )
    append_time_zone_abbreviation: YesNo = Field(
        default=False,
        description="Whether dates in the file end with the time zone's abbreviation, as in `01/31/2026 14:05:00 EST`.",
    )
    include_internal_id: YesNo = Field(
        default=True,
        description="Whether the file shows each fine's internal id, and of a reversal the transaction that it takes "
        "back. `no` suits a bursar that rejects unknown elements; the comment names the transaction in any case.",
    )
    credits_profile: Code | None = Field(
        None,
        description="The code of the profile that sends the credits and reversals of this one, for a bursar that takes "
        "no credits in this file. They are sent there, never here, and name the charges of this profile. Blank: they "
        "are sent here.",
    )
    schedule: RequiredIfActive[ScheduleLine] = Field(description="When the export runs, in the profile's time zone.")
    approval: Approval = Field(
        Approval(), description="Limits beyond which an export waits for a person's approval. Blank: none."
    )

    def _check_minimum(self) -> Iterator[InitErrorDetails]:
        if self.minimum_amount_for_user and set(self.fine_fee_types) == {"CREDIT"}:
            yield wrong(
                "with a minimum, credits are skipped, so nothing would be exported: blank the minimum", "fine_fee_types"
            )

    def _check_owners(self) -> Iterator[InitErrorDetails]:
        if self.active and self.institutional_fine_fee is False and not self.libraries:
            yield wrong("nothing would be exported: list a library, or write institutional_fine_fee: yes", "libraries")

    def _check_upload_folder(self) -> Iterator[InitErrorDetails]:
        if self.upload.folder and self.upload.folder == self.output_file_path:
            yield wrong("is the output folder itself: choose another one for temporary names", "upload", "folder")

    def _check_layout(self) -> Iterator[InitErrorDetails]:
        if self.layout and self.xml != XmlForm():
            yield wrong("is the form of the XML file, and the layout writes another one: remove it", "xml")

    rules = (*Job.rules, _check_minimum, _check_owners, _check_upload_folder, _check_layout)


class Import(FileJob):
    """The import section: where the bursar's payment files are, and when they are imported."""

    file_patterns: TextList = Field(
        ("*.xml", "*.xml.gz", "*.zip"),
        description="Which files are the bursar's payments: shell patterns on the file name, in quotes; case makes no "
        "difference. Hidden files, done files, and names that end in .part, .filepart or .tmp never are.",
    )
    layout: LayoutName | None = Field(
        None,
        description="The layout of the files: the name of a file in `include/layouts` with `for: payments`, without "
        "`.yaml`. Blank: XML with the structure of the export.",
    )
    after_import: Literal["archive", "leave"] = Field(
        "archive",
        description="Whether an imported file is moved to `processed` or `failed` (`archive`), or stays where it is "
        "(`leave`), for a folder in which the account may only read. A file that has been imported is not fetched "
        "again unless its size or time changes. On a server that lists no times each run fetches it again, without "
        "effect.",
    )
    amount_mode: Literal["incremental", "cumulative"] = Field(
        "incremental",
        description="The meaning of a sum in the bursar's file: a payment (`incremental`), or all payments so far "
        "(`cumulative`).",
    )
    max_overpayment: WholeNumber | None = Field(
        None,
        description="An overpayment of more than this, in any currency, becomes no credit before a person releases "
        "it. 0 holds each overpayment. Blank: more than the amount of its fine.",
    )
    schedule: RequiredIfActive[ScheduleLine] = Field(description="When the import runs, in the profile's time zone.")

    @property
    def files_stay(self) -> bool:
        """Whether files stay in the folder when they have been imported."""
        return self.after_import == "leave"

    def _check_patterns_of_layout(self) -> Iterator[InitErrorDetails]:
        if self.layout and self.file_patterns == type(self).model_fields["file_patterns"].default:
            yield wrong("files in a layout are no XML: write their names, as in ['*.csv']", "file_patterns")

    rules = (*FileJob.rules, _check_patterns_of_layout)


class Statement(FileJob):
    """The statement section: where the bursar's statements are, and how they are compared with the ledger."""

    file_patterns: TextList = Field(
        ("*.csv",),
        description="Which files are the bursar's statements: shell patterns on the file name, in quotes; case makes "
        "no difference.",
    )
    layout: RequiredIfActive[LayoutName] = Field(
        description="The layout of the files: the name of a file in `include/layouts` with `for: statement`, without "
        "`.yaml`. It says whether they list what is open, or what was billed."
    )
    after_comparison: Literal["archive", "leave"] = Field(
        "archive",
        description="Whether a compared file is moved to `processed` or `failed` (`archive`), or stays where it is "
        "(`leave`). A file that stays is compared again only if its size or time changes.",
    )
    pending_days: Annotated[WholeNumber, Field(le=MAX_DAYS)] = Field(
        7,
        description="For how many days a difference is `pending` that exports, payments or reversals on their way can "
        "explain. After that it is a difference.",
    )
    schedule: RequiredIfActive[ScheduleLine] = Field(
        description="When a run begins to wait for a statement, in the profile's time zone."
    )

    @property
    def files_stay(self) -> bool:
        """Whether files stay in the folder when they have been compared."""
        return self.after_comparison == "leave"


class Profile(StrictModel):
    """An integration profile: one bursar, one export section, one import section, and their monitoring."""

    code: Code = Field(
        description="Short and unique. It is part of the DAG ids and of the names of the exported files. The file of "
        "the profile has its name, in lower case."
    )
    name: Text = Field(description="The name for people. It is part of the names of the jobs.")
    integration_type: Literal["bursar"] = Field("bursar", description="The kind of integration: always `bursar`.")
    sftp_connection: ConnectionId = Field(description="The id of the Airflow connection to the S/FTP server.")
    system: System = Field(description="The campus system that collects. `Other`, if it is not listed.")
    system_description: Text | None = Field(None, description="The name of the system, if `system` is `Other`.")
    description: Lines | None = Field(None, description="The purpose of the integration, and the person to ask.")
    time_zone: TimeZone = Field(
        description="The time zone of schedules, of days and of dates in the file. Blank: the institution's."
    )
    export: Export = Field(description="The export of fines to the bursar.")
    import_: Import = Field(alias="import", description="The import of payments from the bursar.")
    statement: Statement = Field(
        Statement.model_validate({"active": False}),
        description="The comparison of the bursar's statements with the ledger, which changes nothing. Blank: none.",
    )
    notifications: Notifications = Field(
        Notifications(),
        description="Recipients of the outcomes of jobs. Blank: nobody; Airflow shows them anyway.",
    )
    alerts: Alerts = Field(Alerts(), description="Limits whose crossing is notified, once each. Blank: none.")

    _revision: int | None = PrivateAttr(default=None)
    _credits_of: tuple[str, ...] = PrivateAttr(default=())

    @property
    def revision(self) -> int | None:
        """The revision of a profile that is managed in the pages; None for a profile in a file."""
        return self._revision

    def with_revision(self, revision: int | None) -> Self:
        """Returns the profile as the revision of a profile that is managed in the pages."""
        copy = self.model_copy()
        copy._revision = revision  # noqa: SLF001  its own class
        return copy

    @property
    def credits_of(self) -> tuple[str, ...]:
        """The codes of the other profiles whose credits and reversals this one sends, if they have been looked up."""
        return self._credits_of

    def with_credits_of(self, codes: tuple[str, ...]) -> Self:
        """Returns the profile as the one that sends the credits and reversals of the profiles with these codes."""
        copy = self.model_copy()
        copy._credits_of = codes  # noqa: SLF001  its own class
        return copy

    def _check_import_deadline(self) -> Iterator[InitErrorDetails]:
        deadline, timeout = self.alerts.import_deadline_minutes, self.import_.timeout_minutes
        if deadline and self.import_.active and deadline <= timeout:
            yield wrong(
                f"must be more than the {pluralize(timeout, 'minute')} that an import may wait for a file "
                "(import.timeout_minutes)",
                *("alerts", "import_deadline_minutes"),
            )

    @property
    def inboxes(self) -> dict[str, FileJob]:
        """The active sections that wait for files, by their names in the file of the profile."""
        sections: dict[str, FileJob] = {"import": self.import_, "statement": self.statement}
        return {name: section for name, section in sections.items() if section.active}

    def list_other_patterns(self, name: str) -> tuple[str, ...]:
        """Returns the patterns of the files that other sections take from the folder of a section."""
        own = self.inboxes.get(name)
        return tuple(
            pattern
            for other, section in self.inboxes.items()
            if own and other != name and section.input_file_path == own.input_file_path
            for pattern in section.file_patterns
        )

    def _check_folders(self) -> Iterator[InitErrorDetails]:
        for name, section in self.inboxes.items():
            if self.export.active and section.input_file_path == self.export.output_file_path:
                files = "payments" if name == "import" else "statements"
                yield wrong(
                    f"is the export's folder, whose files would count as {files}: choose another",
                    *(name, "input_file_path"),
                )

    def _check_statement_files(self) -> Iterator[InitErrorDetails]:
        import_, statement = self.import_, self.statement
        if not (import_.active and statement.active and import_.input_file_path == statement.input_file_path):
            return
        for one in statement.file_patterns:
            for another in import_.file_patterns:
                if do_patterns_overlap(one, another):
                    yield wrong(
                        f"{one!r} and {another!r}, the payment files, match the same names in the same folder: choose "
                        "patterns of which only one matches, or another folder",
                        *("statement", "file_patterns"),
                    )

    def _check_credits_profile(self) -> Iterator[InitErrorDetails]:
        if self.export.credits_profile == self.code:
            yield wrong("is this profile itself: remove the line, or name another one", "export", "credits_profile")

    def _check_system_description(self) -> Iterator[InitErrorDetails]:
        if self.system_description and self.system != "Other":
            yield wrong("belongs to the system Other only: remove it, or write system: Other", "system_description")

    rules = (
        check_alert_recipients,
        _check_import_deadline,
        _check_folders,
        _check_statement_files,
        _check_credits_profile,
        _check_system_description,
    )
