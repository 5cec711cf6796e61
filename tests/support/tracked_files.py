"""The files of the project that Git tracks."""

import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Returns the tracked files whose names match a pattern of Git; without a pattern, all."""
    listing = subprocess.run(  # noqa: S603
        ["git", "ls-files", "-z", *patterns],  # noqa: S607
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [PROJECT / name for name in listing.stdout.split("\0") if name]
