"""The parameters of a run, and the values that are rejected before anything is done."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowException

from bursar.airflow.run_params import ExportParams, export_params, parse_params
from bursar.errors import BursarError
from tests.support.fixtures import NOW, make_profile


def parse(run_type: str = "manual", **conf: Any) -> ExportParams:
    form = ParamsDict(export_params())
    for name, value in conf.items():
        if name in form:
            form[name] = value
    dag_run = SimpleNamespace(run_type=run_type, run_after=NOW, conf=conf)
    return parse_params({"dag_run": dag_run, "params": form.validate()}, make_profile())


def test_without_parameters_the_moment_is_that_of_the_run() -> None:
    assert parse() == ExportParams(NOW, dry_run=False, resend_batch=None)
    assert parse("scheduled").as_of == NOW


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T02:00:00Z", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00:00.000Z", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00:00+01:00", datetime(2026, 3, 1, 1, tzinfo=UTC)),
        ("2026-03-01T02:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),  # the profile's zone is New York's
        ("2026-03-01", datetime(2026, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_as_of_is_a_moment_in_the_zone_that_it_names_or_the_profiles(text: str, moment: datetime) -> None:
    assert parse(as_of=text).as_of == moment


@pytest.mark.parametrize(
    "conf",
    [
        {"as_of": "yesterday"},
        {"as_of": "02:00"},
        {"as_of": 20260301},
        {"dry_run": "yes"},
        {"dry_run": None},
        {"resend_batch": 0},
        {"resend_batch": 2**31},
        {"resend_batch": 10**30},
        {"resend_batch": "seven"},
        {"resend_batch": 1.5},
        {"resend_batch": 3, "resend_files": "a.csv"},
    ],
)
def test_the_form_rejects_values_of_another_type(conf: dict[str, Any]) -> None:
    with pytest.raises((AirflowException, ValueError)):
        parse(**conf)


@pytest.mark.parametrize(
    ("run_type", "conf", "complaint"),
    [
        ("manual", {"as_of": "2026-13-01T02:00"}, "is not a moment. Write a date and a time, as in 2026-03-01T02:00"),
        ("manual", {"as_of": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "is in the future"),
        ("manual", {"resend_batch": 3, "dry_run": True}, "can't be combined with as_of or dry_run"),
        ("manual", {"resend_batch": 3, "as_of": "2026-03-01T02:00"}, "can't be combined with as_of or dry_run"),
        ("manual", {"dryrun": True}, "was given dryrun, but the parameters of an export are as_of, dry_run"),
        ("manual", {"resend_files": ["a.csv"]}, "Give resend_batch, the number of the batch, too"),
        ("backfill", {"as_of": "2026-03-01T02:00"}, "for manual runs"),
        ("backfill", {"resend_batch": 3}, "for manual runs"),
    ],
)
def test_parameters_that_contradict_each_other_are_rejected_with_the_reason(
    run_type: str, conf: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BursarError, match=complaint):
        parse(run_type, **conf)


def test_a_backfill_can_be_a_dry_run() -> None:
    assert parse("backfill", dry_run=True) == ExportParams(NOW, dry_run=True, resend_batch=None)
