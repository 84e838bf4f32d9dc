"""How long the model test runs: `ci` takes the same few hundred steps each time; `soak` (HYPOTHESIS_PROFILE=soak) others, and many.

SOAK_EXAMPLES: how many school years of each sort; SOAK_SHRINK=no: print a failing one as it is.
"""

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)

settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=_SLOW)
settings.register_profile(
    "soak",
    deadline=None,
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "2000")),
    stateful_step_count=40,
    print_blob=True,
    database=None,
    phases=(Phase.explicit, Phase.generate) if os.environ.get("SOAK_SHRINK") == "no" else tuple(Phase),
    report_multiple_bugs=False,
    suppress_health_check=_SLOW,
)
