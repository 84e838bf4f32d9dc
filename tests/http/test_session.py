"""The HTTP care: what is retried and for how long, what is refused at once, and what never leaves the house."""

from typing import Any

import pytest
import responses

from syncd.contract.connector import Context
from syncd.errors import BadAnswer, SignInRefused, SourceUnavailable
from syncd.http.links import next_link
from syncd.http.retry import Patience
from syncd.http.session import Http

URL = "https://sis.example.org/list"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(Context, "wait", lambda self, seconds: waited.append(seconds))
    return waited


def http(**options: Any) -> Http:
    return Http(Context("springfield"), "https://sis.example.org", **options)


@responses.activate
def test_a_503_is_tried_again_and_then_told(waits: list[float]) -> None:
    responses.get(URL, status=503)
    with pytest.raises(SourceUnavailable, match=r"springfield: sis.example.org answered 503, 5 times in a row"):
        http().get(URL)
    assert len(responses.calls) == 5 and len(waits) == 4


@responses.activate
def test_retry_after_is_obeyed_to_the_second(waits: list[float]) -> None:
    responses.get(URL, status=429, headers={"Retry-After": "17"})
    responses.get(URL, json={"data": []})
    assert http().get(URL).status == 200
    assert waits == [17]


@responses.activate
def test_a_date_to_wait_for_is_measured_against_the_answers_own_clock(waits: list[float]) -> None:
    clocks = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}
    responses.get(URL, status=503, headers=clocks)
    responses.get(URL, json={})
    http().get(URL)
    assert waits == [30]


@responses.activate
def test_a_wait_of_ten_years_is_a_failure_that_says_so(waits: list[float]) -> None:
    responses.get(URL, status=429, headers={"Retry-After": "315360000"})
    with pytest.raises(SourceUnavailable, match="asked to wait 315360000 seconds"):
        http().get(URL)
    assert waits == []


@responses.activate
def test_a_source_that_says_how_long_to_wait_is_waited_for_until_it_is_too_long_in_all(waits: list[float]) -> None:
    responses.get(URL, status=429, headers={"Retry-After": "40"})
    with pytest.raises(SourceUnavailable, match="answered 429 and asked to wait, 8 times in a row"):
        http().get(URL)
    assert waits == [40] * 7


@responses.activate
@pytest.mark.parametrize("asked", ["0", "-3", "soon", "²", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 99999999999 07:28:00 GMT"])
def test_a_wait_that_makes_no_sense_is_our_own_growing_one(asked: str, waits: list[float]) -> None:
    responses.get(URL, status=429, headers={"Retry-After": asked})
    with pytest.raises(SourceUnavailable, match="answered 429, 5 times in a row"):
        http().get(URL)
    assert len(waits) == 4 and all(0.5 <= seconds <= 30 for seconds in waits)


@responses.activate
def test_a_pull_has_an_end_however_slow_the_source(waits: list[float]) -> None:
    responses.get(URL, json={})
    slow = http(policy=Patience(whole=-1))
    with pytest.raises(SourceUnavailable, match="springfield: .* hours for one pull"):
        slow.get(URL)


@responses.activate
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_never_tried_again(status: int, waits: list[float]) -> None:
    responses.get(URL, status=status)
    with pytest.raises(SignInRefused):
        http().get(URL)
    assert len(responses.calls) == 1 and waits == []


@responses.activate
def test_a_401_renews_the_sign_in_once(waits: list[float]) -> None:
    responses.get(URL, status=401)
    responses.get(URL, json={})
    renewed: list[bool] = []
    assert http(renew=lambda: renewed.append(True) or True).get(URL).status == 200
    assert renewed == [True]


@responses.activate
@pytest.mark.parametrize("body", ["<html>Sign in</html>", "  <!doctype html>"])
def test_a_login_page_is_no_data(body: str, waits: list[float]) -> None:
    responses.get(URL, body=body)
    with pytest.raises(BadAnswer, match="web page"):
        http().get(URL)


@responses.activate
def test_json_that_is_cut_off_is_asked_for_again(waits: list[float]) -> None:
    responses.get(URL, body='{"data": [1, 2')
    responses.get(URL, body='\ufeff{"data": [1, 2]}'.encode())
    assert http().get(URL).body == b'{"data": [1, 2]}'


@responses.activate
def test_a_redirect_to_another_host_is_not_followed(waits: list[float]) -> None:
    responses.get(URL, status=302, headers={"Location": "https://elsewhere.example.net/"})
    with pytest.raises(BadAnswer, match="another address"):
        http().get(URL)
    assert len(responses.calls) == 1


@responses.activate
def test_a_body_over_the_limit_is_refused(waits: list[float]) -> None:
    responses.get(URL, body=b"[" + b" " * 2_000_000 + b"]")
    with pytest.raises(BadAnswer, match="more than 1 MiB"):
        http(policy=Patience(most_bytes=2**20)).get(URL)


@pytest.mark.parametrize("link", ["http://sis.example.org/x", "https://elsewhere.example.net/x", "file:///etc/passwd", "//evil.example/x"])
def test_next_links_stay_at_home(link: str) -> None:
    with pytest.raises(BadAnswer, match="springfield"):
        next_link("springfield", "https://sis.example.org", "https://sis.example.org/a", link)
    home = next_link("springfield", "https://sis.example.org", "https://sis.example.org/a", "/b?c=1")
    assert home == "https://sis.example.org/b?c=1"
