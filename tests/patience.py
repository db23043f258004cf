"""What is drawn for a service or a database is slow and large, and no sign of a bad strategy."""

from typing import Final

from hypothesis import HealthCheck

PATIENT: Final = (
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
    HealthCheck.function_scoped_fixture,
)
