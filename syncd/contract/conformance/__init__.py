"""The suites that connectors pass: one for each way in which records come. Each asks its author for one thing, a pretend source.

Subclass the suite in a test file of your own and fill in `pretend`; pytest finds the tests by inheritance:

    class TestMine(OverHttp):
        @pytest.fixture
        def pretend(self) -> PretendService:
            return MyPretend()

Needs pytest and responses.
"""

from syncd.contract.conformance.every import CANARY_NAME, CANARY_SECRET, ODD_VALUES, canary
from syncd.contract.conformance.files import AsFiles, PretendFiles
from syncd.contract.conformance.handed import Handed, PretendForms
from syncd.contract.conformance.http import OverHttp, PretendService

__all__ = [
    "CANARY_NAME",
    "CANARY_SECRET",
    "ODD_VALUES",
    "AsFiles",
    "Handed",
    "OverHttp",
    "PretendFiles",
    "PretendForms",
    "PretendService",
    "canary",
]
