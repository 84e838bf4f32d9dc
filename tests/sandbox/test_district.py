"""A generated district is believable, a loaded one is the folder's, and `serve` serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests

from syncd.sandbox import District, running
from tests.sandbox.test_expected import DIALECTS, assert_as_expected


def test_a_generated_district_looks_like_one() -> None:
    district = District.generate(students=2000, seed=1)
    people = [user for user in district.users.values() if not user.gone]
    students = [user for user in people if user.roles[0].role == "student"]
    assert len(students) == 2000
    assert sum(org.type == "school" for org in district.orgs.values()) == 3
    held = Counter(found.user for found in district.enrollments.values() if found.role == "student" and not found.gone)
    assert set(held.values()) <= {6, 7} and set(held) == {user.id for user in students}
    assert 1.1 < sum(len(user.guardians) for user in students) / len(students) < 1.5
    assert max(len(district.active_children(user)) for user in people) <= 5
    leads = Counter(found.section for found in district.enrollments.values() if found.primary)
    assert set(leads.values()) == {1} and set(leads) == set(district.sections)
    assert sum(len({role.role for role in user.roles}) > 1 for user in people) > 5
    assert any(user.email is None for user in people) and any(user.given_name is None for user in people)
    assert any(section.course is None and section.type == "scheduled" for section in district.sections.values())


@pytest.mark.parametrize("students", [1, 2, 13, 30])
def test_a_tiny_district_lives_too(students: int) -> None:
    with running(District.generate(students=students, seed=2)) as sandbox:
        sandbox.day(10)
        for dialect in DIALECTS:
            assert_as_expected(sandbox, dialect)


def test_a_district_without_students_is_refused() -> None:
    with pytest.raises(ValueError):
        District.generate(students=0)


ORGS = (
    "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
    "d1,,,Quillfield,district,9900001,\ns1,,,Aspen School,school,101,d1\n"
)
OTHERS = {
    "academicSessions": "sourcedId,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
    "y1,2026-2027,schoolYear,2026-08-24,2027-06-12,,2027\n"
    "t1,Fall,term,2026-08-24,2027-01-16,y1,2027\n",
    "courses": "sourcedId,title,courseCode,orgSourcedId,grades,subjects\nc1,Math 4,M4,d1,04,Mathematics\n",
    "classes": 'sourcedId,title,classType,schoolSourcedId,courseSourcedId,termSourcedIds,periods\nk1,Math 4 A,scheduled,s1,c1,t1,"1,2"\n',
    "enrollments": "sourcedId,status,classSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
    "e1,,k1,u1,student,,2026-08-24,2027-01-16\ne2,,k1,u2,teacher,TRUE,,\n"
    "e3,tobedeleted,k1,u4,student,,,\ne4,,k9,u1,student,,,\n",
}
USERS_11 = (
    "sourcedId,status,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,identifier,email,"
    "agentSourcedIds,grades,columnOfTheirOwn\n"
    "u1,,true,s1,student,ada,{StateID:77},Ada,Okafor,501,ada@example.org,u3,04,x\n"
    'u2,,TRUE,"s1,d1",teacher,bo,,Bo,Núñez,T1,,,,\nu3,,false,s1,parent,cy,,Cy,Okafor,,,u1,,\n'
    "u4,tobedeleted,true,s1,student,di,,Di,Gone,502,,,04,\nu5,,true,d1,administrator,ed,,Ed,Head,,,,,\n"
)
USERS_12 = (
    "\ufeffsourcedId,enabledUser,username,givenName,familyName,agentSourcedIds,grades,primaryOrgSourcedId,"
    "preferredGivenName\nu1,true,ada,Ada,Okafor,u3,04,s1,Addie\nu2,true,,Bo,Núñez,,,s1,\n"
    "u3,true,cy,Cy,Okafor,u1,,,\n"
)
ROLES = (
    "sourcedId,userSourcedId,roleType,role,orgSourcedId\nr1,u1,primary,student,s1\nr2,u2,primary,teacher,s1\n"
    "r3,u2,secondary,principal,s1\nr4,u3,primary,parent,s1\nr5,u2,primary,teacher,d1\n"
)


@pytest.mark.parametrize("users", [{"users": USERS_11}, {"users": USERS_12, "roles": ROLES}], ids=["1.1", "1.2"])
def test_a_folder_of_csv_files_can_be_served(tmp_path: Path, users: dict[str, str]) -> None:
    demographics = "sourcedId,birthDate,sex,asian\nu1,2016-05-01,female,true\n"
    for name, content in {"orgs": ORGS, **OTHERS, **users, "demographics": demographics}.items():
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    with running(District.load(tmp_path)) as sandbox:
        for dialect in DIALECTS:
            assert_as_expected(sandbox, dialect)
        ada, bo = sandbox.expected("oneroster-1.2", "users", demographics=True)[:2]
        assert (ada["id"], ada["guardian_ids"], ada["birth_date"]) == ("u1", ["u3"], "2016-05-01")
        assert bo["family_name"] == "Núñez"
        first, second = sandbox.expected("oneroster-1.1", "enrollments")
        assert (first["end_date"], second["primary"]) == ("2027-01-15", True)
        sandbox.day(2)
        assert_as_expected(sandbox, "oneroster-1.2")


def test_a_folder_of_orgs_and_users_is_enough_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="orgs.csv"):
        District.load(tmp_path)
    (tmp_path / "orgs.csv").write_text(ORGS, encoding="utf-8")
    (tmp_path / "users.csv").write_text(USERS_11, encoding="utf-8")
    assert District.load(tmp_path).counts()["users"] == 4


SERVE = """
from syncd.sandbox import District, serve
serve(District.generate(students=20), day_every=0.05, on_ready=lambda sandbox: print(sandbox.url, flush=True))
"""


def test_serve_tells_where_it_is_lives_its_days_and_ends_when_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        for _ in range(100):
            if requests.get(f"{url}/_sandbox/state").json()["day"] >= 2:
                break
        assert requests.get(f"{url}/v3.1/users", headers={"Authorization": "Bearer TEST_TOKEN"}).ok
        assert requests.get(f"{url}/v3.1/users").status_code == 401
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=10)
        assert (process.returncode, out, error) == (0, "", "")
    finally:
        process.kill()
