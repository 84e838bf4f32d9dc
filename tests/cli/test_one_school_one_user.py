"""`syncd sync SOURCE --school ID` and `--user ID`, as a person types them."""

from pathlib import Path

import msgspec
import pytest

from connectors.clever import CleverConnector
from syncd.contract.connector import Abilities
from syncd.sandbox import District, running
from tests.commands import Commands


def test_one_school_or_one_user_is_synced_and_the_runs_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=16, seed=126, schools=2)) as sandbox:
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        school = next(org for org in sandbox.district.orgs.values() if org.type == "school")
        user = next(user for user in sandbox.district.users.values() if user.grades and not user.gone)
        early = syncd("sync", "springfield", "--school", school.clever_id)
        assert early.code == 2 and "it was not synced yet, all of it comes first: `syncd sync springfield`" in early.err
        assert syncd("sync", "springfield").code == 0

        done = syncd("sync", "springfield", "--school", school.clever_id)
        assert done.code == 0 and f"Run 2 of springfield (school {school.clever_id}, manual): applied" in done.out
        told = msgspec.json.decode(syncd("sync", "springfield", "--user", user.clever_id, "--dry-run", "--json").out)
        assert (told["state"], told["mode"], told["scope"]) == ("planned", "incremental", {"kind": "user", "id": user.clever_id})
        assert f"school {school.clever_id}" in syncd("runs").out and f"(user {user.clever_id}, manual)" in syncd("runs", "show", 3).out
        assert [run["scope"] is None for run in msgspec.json.decode(syncd("runs", "--json").out)["runs"]] == [False, False, True]
        assert f"(school {school.clever_id})" in syncd("status").out

        sandbox.fault("lose", pattern=r"/schools/[^/]+/users\?", records=2)
        assert (
            "2 users did not come with the school, but are there when asked for"
            in syncd("sync", "springfield", "--school", school.clever_id).out
        )

        unknown = syncd("sync", "springfield", "--user", "nobody")
        assert unknown.code == 1 and "there is no user nobody, neither at the source nor in the roster. Check the id." in unknown.out


def test_what_can_not_be_asked_for_is_told_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=16, seed=126, schools=2)) as sandbox:
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        for options, told in (
            (("--school", "s", "--user", "u"), "--school and --user do not go together"),
            (("--school", "s", "--full"), "--full and --anew are about the whole source"),
            (("--user", "u", "--anew"), "--full and --anew are about the whole source"),
            (("--user", " "), "--school and --user take an id of the source"),
        ):
            refused = syncd("sync", "springfield", *options)
            assert refused.code == 2 and told in refused.err, options
        monkeypatch.setattr(CleverConnector, "abilities", Abilities(incremental=True, one=True))
        refused = syncd("sync", "springfield", "--school", "s")
        assert refused.code == 2 and "its connector can not ask for one school by itself" in refused.err
        assert not sandbox.requests() and "No run yet" in syncd("runs").out
