"""Over the API one can ask whether a word is a person's, and nothing else of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from syncd.password import hashed_persons
from syncd.store import passwords, roster
from syncd.store.passwords import Made
from tests.console.console import Served, served

WORD = "secret-word"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("passwords"), students=10, synced=True) as console:
        people = [one["id"] for one in roster.records(console.store, "user", "springfield")]
        with console.store.write() as connection:
            passwords.put(connection, "springfield", 1, [Made(one, b"m" * 16, hashed_persons(WORD)) for one in people[:3]])
        yield console


def ask(school: Served, token: str | None, person: int = 0, **changed: str) -> requests.Response:
    people = [one["id"] for one in roster.records(school.store, "user", "springfield")]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = {"source": "springfield", "id": people[person], "password": WORD} | changed
    return requests.post(f"{school.url}/api/password", json=asked, headers=headers)


def test_an_operators_token_may_ask(school: Served) -> None:
    token = school.token("operator")
    assert ask(school, token).json() == {"right": True}
    for changed in ({"password": "another-word"}, {"id": "nobody"}, {"source": "shelbyville"}):
        answer = ask(school, token, **changed)
        assert (answer.status_code, answer.json()) == (200, {"right": False})
    assert ask(school, token, person=5).json() == {"right": False}, "has none"


def test_nobody_else_may(school: Served) -> None:
    assert ask(school, None).status_code in (401, 403)
    assert ask(school, school.token("viewer")).status_code == 403
    assert ask(school, school.token("operator", source="shelbyville")).status_code == 403


def test_who_guesses_has_to_wait_and_a_mistake_never_repeats_the_word(school: Served, tmp_path: Path) -> None:
    token = school.token("operator")
    assert [ask(school, token, person=1, password="guess").status_code for _ in range(6)] == [200] * 5 + [429]
    refused = ask(school, token, person=1)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 60, "not even the right one is looked at"
    assert ask(school, token, person=2).json() == {"right": True}, "others are not concerned"
    wrong = ask(school, token, password="canary-secret" * 100)
    assert wrong.status_code == 422 and "canary-secret" not in wrong.text
    assert "guess" not in school.log and WORD not in school.log
