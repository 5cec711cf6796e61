"""Model of the behavior of the bursar's server during an upload, as the profile describes it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import Matches, RelativePath, StrictModel, Text, WholeNumber, YesNo
from bursar.profiles.monitoring import MAX_MINUTES
from bursar.profiles.rules import wrong

UploadMethod = Literal["dot", "suffix", "folder", "direct"]


class UploadSettings(StrictModel):
    """How the bursar's server treats uploads. The defaults suit most servers and are the safest.

    `bin/bursar profiles test-connection` finds out what a server does, and proposes this section.
    """

    method: UploadMethod = Field(
        "dot",
        description="The temporary name of a file during its upload, after which it is renamed: a name that begins "
        "with a dot (`dot`), one that ends with `suffix`, or one in `folder`. `direct` uploads under the final name, "
        "for a server that renames nothing or collects each upload immediately.",
    )
    suffix: Annotated[Text, Matches("[.][A-Za-z0-9_-]{1,20}", "write a suffix, as in .part")] = Field(
        ".part", description="The end of temporary names. The bursar's system must ignore it."
    )
    folder: RelativePath | None = Field(
        None,
        description="The folder for temporary names with the method `folder`, below the `sub_directory` of the S/FTP "
        "connection, like `output_file_path`. It must exist, on the same disk of the server.",
    )
    look_before: YesNo = Field(
        default=True,
        description="Whether Bursar looks for a file before it writes or renames one. `no` suits a server that does "
        "not let the account look.",
    )
    denied_means_missing: YesNo = Field(
        default=False,
        description="Whether `permission denied` in answer to a look means that there is no such file.",
    )
    confirm_size: YesNo = Field(
        default=True,
        description="Whether Bursar looks at the uploaded file and compares its size. `no` suits a server that shows "
        "no sizes, or other ones because it encrypts or converts files: its acknowledgement of the upload is enough.",
    )
    collected_immediately: YesNo = Field(
        default=False,
        description="Whether the server removes each upload as soon as it is complete. Then a file that the server "
        "acknowledged in full and has no more is delivered. Otherwise a person is asked. Only with `method: direct`.",
    )
    previous_file: Literal["ignore", "wait", "fail"] = Field(
        "ignore",
        description="What an export does if a file of an earlier export is still in the output folder: upload another "
        "one beside it (`ignore`), `wait` until it has been collected, or `fail`. Suits a bursar whose system can't "
        "take two files, or overwrites one.",
    )
    previous_file_timeout_minutes: Annotated[WholeNumber, Field(ge=1, le=MAX_MINUTES)] = Field(
        720,
        description="How long an export waits for the previous file to be collected. Then it fails and uploads "
        "nothing; the next run selects the fines again.",
    )

    def _check_folder(self) -> Iterator[InitErrorDetails]:
        if (self.method == "folder") != (self.folder is not None):
            yield wrong("belongs to method: folder, which needs it: write both, or neither", "folder")

    def _check_collected(self) -> Iterator[InitErrorDetails]:
        if self.collected_immediately and self.method != "direct":
            yield wrong(
                "needs method: direct, or the bursar would receive the file under its temporary name",
                "collected_immediately",
            )

    rules = (_check_folder, _check_collected)


DEFAULT_UPLOAD = UploadSettings()
"""The settings of a profile without this section."""
