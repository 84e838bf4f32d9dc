"""What comes as files, and what is handed in, passes the suites of their ways."""

from typing import Any

import msgspec
import pytest

from connectors.by_hand import ByHandConnector, ByHandSettings
from connectors.oneroster_csv import OneRosterCsvConnector
from connectors.oneroster_csv.settings import OneRosterCsvSettings
from connectors.templates import TemplatesConnector
from connectors.templates.settings import TemplatesSettings
from syncd.contract.conformance import CANARY_NAME, AsFiles, Handed, PretendFiles, PretendForms
from syncd.contract.document import Document
from tests.connectors import test_oneroster_csv as oneroster
from tests.connectors import test_templates as templates

DATED = "2026-11-20T08:00:00.000Z"


class PretendOneRosterCsv(PretendFiles):
    connector = OneRosterCsvConnector
    resource = "users"

    def settings(self) -> OneRosterCsvSettings:
        return OneRosterCsvSettings(path=self.path, still=0)

    def sample(self) -> dict[str, Any]:
        return {"sourcedId": "u1", "role": "student", "givenName": "Ada", "familyName": CANARY_NAME, "orgs": [{"sourcedId": "s1"}],
                "identifier": "17", "grades": ["09"], "userIds": [{"type": "LDAP", "identifier": "x"}], "enabledUser": "true"}  # fmt: skip

    def files(self) -> dict[str, str]:
        files = {"manifest": oneroster.manifest()} | oneroster.FILES | {"users": oneroster.USERS.replace("Furch", CANARY_NAME)}
        return {f"{name}.csv": text for name, text in files.items()}

    def file(self) -> str:
        return "users.csv"

    def changed(self) -> dict[str, str]:
        header, first, *_ = oneroster.USERS.splitlines()
        absent = dict.fromkeys(oneroster.FILES, "absent")
        users = "\n".join([header, first.replace("u1,,", f"u1,active,{DATED}", 1), ""])
        return {"manifest.csv": oneroster.manifest(**absent | {"users": "delta"}), "users.csv": users}


class PretendOneRoster12Csv(PretendOneRosterCsv):
    """Who is what stands in another file."""

    resource = "enrollments"

    def sample(self) -> dict[str, Any]:
        return {
            "sourcedId": "e1",
            "class": {"sourcedId": "k1"},
            "user": {"sourcedId": "u1"},
            "school": {"sourcedId": "s1"},
            "role": "student",
        }

    def files(self) -> dict[str, str]:
        users = oneroster.USERS_1_2.replace("Furch", CANARY_NAME)
        more = {
            "manifest.csv": oneroster.manifest("1.2", roles="bulk"),
            "users.csv": users,
            "roles.csv": oneroster.ROLES,
        }
        return super().files() | more

    def file(self) -> str:
        return "enrollments.csv"

    def changed(self) -> dict[str, str]:
        header, first, *_ = oneroster.ENROLLMENTS.splitlines()
        absent = dict.fromkeys((*oneroster.FILES, "roles"), "absent")
        enrollments = "\n".join([header, first.replace("e1,,", f"e1,active,{DATED}", 1), ""])
        return {"manifest.csv": oneroster.manifest("1.2", **absent | {"enrollments": "delta"}), "enrollments.csv": enrollments}


class PretendTemplates(PretendFiles):
    connector = TemplatesConnector
    resource = "students"

    def settings(self) -> TemplatesSettings:
        return TemplatesSettings(path=self.path, still=0)

    def sample(self) -> dict[str, Any]:
        return {"StudentNumber": "00007", "FirstName": "Ada", "LastName": CANARY_NAME, "Grade": "K", "OrganizationNumber": "0012",
                "GroupNumber": "g1;g2", "StateStudentNumber": "77"}  # fmt: skip

    def files(self) -> dict[str, str]:
        tables = templates.TABLES | {"students": templates.STUDENTS.replace("Furch", CANARY_NAME)}
        return {f"{kind}.csv": templates.full(table) for kind, table in tables.items()}

    def file(self) -> str:
        return "students.csv"

    def changed(self) -> dict[str, str]:
        header, first, *_ = templates.STUDENTS.splitlines()
        return {"students.csv": f"{header}\n{first.replace('Vera', 'Vee')}\n"}


class PretendByHand(PretendForms):
    connector = ByHandConnector
    resource = "users"

    def settings(self) -> ByHandSettings:
        return ByHandSettings()

    def sample(self) -> dict[str, Any]:
        return {"id": "u1", "given_name": "Ada", "family_name": CANARY_NAME, "student_number": "17", "enabled": True,
                "roles": [{"role": "student", "org_id": "s1", "primary": True}], "grades": ["03"]}  # fmt: skip

    def documents(self) -> list[Document]:
        school = {"id": "s1", "name": "Lincoln", "type": "school"}
        people = [self.sample() | {"id": f"u{number}"} for number in range(5)]
        given = [("orgs", school), *(("users", person) for person in people)]
        return [Document(resource, str(sent["id"]), msgspec.json.encode(sent)) for resource, sent in given]


class TestOneRosterCsv(AsFiles):
    @pytest.fixture
    def pretend(self) -> PretendFiles:
        return PretendOneRosterCsv()


class TestOneRoster12Csv(AsFiles):
    @pytest.fixture
    def pretend(self) -> PretendFiles:
        return PretendOneRoster12Csv()


class TestTemplates(AsFiles):
    @pytest.fixture
    def pretend(self) -> PretendFiles:
        return PretendTemplates()


class TestByHand(Handed):
    @pytest.fixture
    def pretend(self) -> PretendForms:
        return PretendByHand()
