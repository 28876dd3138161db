"""behest-ai 1.5.0b1 from PyPI, unmodified: mint, chat both ways, threads, and its typed errors.

It mints at the start of each call, splits events on LF LF only, parses every `data:`, and takes `retry-after` only in digits.
"""

import time
import uuid
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from behest import Behest, BehestAuthError, BehestBadRequestError, BehestClient, BehestError, BehestQuotaError, BehestRateLimitError, BehestServerError, decode_token


@pytest.fixture()
def behest(scene):
    return Behest(key=scene.key, base_url=scene.base, default_user_id=f"py-{uuid.uuid4()}")


def messages(text):
    return [{"role": "user", "content": text}]


def test_mint(behest):
    minted = behest.auth.mint(user_id="ann", session_id="s-1", ttl=600)
    assert (minted.session_id, minted.ttl) == ("s-1", 600)
    assert abs(minted.expires_at - time.time() - 600) < 5
    claims = decode_token(minted.token)
    assert (claims["uid"], claims["sid"], claims["role"], claims["aud"]) == ("ann", "s-1", "user", "behest")


def test_mint_with_its_defaults(behest):
    minted = behest.auth.mint()
    assert minted.ttl == 3600
    assert decode_token(minted.token)["sid"] == minted.session_id


def test_mint_with_a_tier(behest):
    assert "tier" in decode_token(behest.auth.mint(user_id="u", tier=2).token)


def test_chat(behest):
    answer = behest.chat.completions.create(model="gpt-4o-mini", messages=messages("hello"))
    assert answer["choices"][0]["message"]["content"] == "You said: hello"


def test_chat_without_a_model(behest):
    answer = behest.chat.completions.create(messages=messages("hello"), user_id="someone", session_id="s-2")
    assert answer["choices"][0]["message"]["content"] == "You said: hello"


def test_stream(behest):
    chunks = list(behest.chat.completions.create(model="m", messages=messages("one two three"), stream=True))
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "You said: one two three"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_stream_that_breaks_off(behest):
    chunks = list(behest.chat.completions.create(model="m", messages=messages("break off"), stream=True))
    assert chunks[-1]["error"]["code"] == "upstream_error"


def test_stream_that_a_budget_stopped(scene):
    chunks = list(Behest(key=scene.short_key, base_url=scene.base).chat.completions.create(model="m", messages=messages("pour it out"), stream=True))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["details"]["scope"] == "user_tokens_per_day"


def test_threads(scene, behest):
    """It has no way to name a thread in chat, so the turn is written with its own minted token and the documented header."""
    token = behest.auth.mint().token
    thread = f"t-{uuid.uuid4()}"
    headers = {"Authorization": f"Bearer {token}", "X-Thread-Id": thread}
    httpx.post(f"{scene.base}/v1/chat/completions", headers=headers, json={"model": "m", "messages": messages("remember me")}, timeout=20).raise_for_status()

    (listed,) = behest.threads.list()
    assert (listed["id"], listed["messages_count"]) == (thread, 2)
    assert behest.threads.get(thread)["title"] == "remember me"
    assert [(m["role"], m["content"]) for m in behest.threads.messages(thread)] == [("user", "remember me"), ("assistant", "You said: remember me")]
    assert behest.threads.delete(thread) is None
    assert behest.threads.list() == []
    with pytest.raises(BehestError) as caught:
        behest.threads.get(thread)
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_usage(behest):
    assert behest.usage.get(granularity="day")["totals"]["requests"] == 0
    behest.chat.completions.create(model="m", messages=messages("hello"))
    # The SDK sends `+00:00` as it is, so that it arrives as a space.
    now = datetime.now(timezone.utc)
    window = {"from_": now - timedelta(hours=1), "to": now + timedelta(hours=1), "granularity": "hour"}
    deadline = time.monotonic() + 5
    # A request is settled after its answer, so it may be missing for a moment.
    while (used := behest.usage.get(**window))["totals"]["requests"] == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert used["totals"]["requests"] == 1
    assert used["totals"]["tokens"] == sum(step["tokens"] for step in used["breakdown"]) > 0
    assert used["totals"]["cost_usd"] >= 0
    with pytest.raises(BehestBadRequestError):
        behest.usage.get(granularity="fortnight")


def test_a_wrong_key_is_an_auth_error(scene):
    with pytest.raises(BehestAuthError) as caught:
        Behest(key="behest_sk_live_" + "0" * 32, base_url=scene.base).auth.mint(user_id="u")
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")
    assert caught.value.trace_id


def test_an_api_key_for_a_token_is_an_auth_error(scene, behest):
    with pytest.raises(BehestAuthError, match="/v1/auth/mint") as caught:
        behest.chat.completions.create(model="m", messages=messages("x"), token=scene.key)
    assert caught.value.code == "api_key_not_allowed"


def test_a_reserved_user_is_a_bad_request(behest):
    with pytest.raises(BehestBadRequestError) as caught:
        behest.auth.mint(user_id="system")
    assert (caught.value.status, caught.value.code) == (400, "validation_error")


@pytest.mark.parametrize("stream", [False, True])
def test_too_many_requests_is_a_rate_limit_error(scene, stream):
    tight = Behest(key=scene.tight_key, base_url=scene.base, default_user_id=f"rate-{stream}")
    tight.chat.completions.create(model="m", messages=messages("x"))
    with pytest.raises(BehestRateLimitError) as caught:
        list(tight.chat.completions.create(model="m", messages=messages("x"), stream=stream))
    assert caught.value.code == "rate_limited"
    assert 1 <= caught.value.retry_after <= 60
    assert caught.value.trace_id


@pytest.mark.parametrize("stream", [False, True])
def test_a_spent_budget_is_a_quota_error(scene, stream):
    with pytest.raises(BehestQuotaError) as caught:
        list(Behest(key=scene.poor_key, base_url=scene.base).chat.completions.create(model="m", messages=messages("x"), stream=stream))
    assert (caught.value.status, caught.value.code) == (402, "quota_exceeded")
    assert caught.value.raw["error"]["details"]["limit"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_provider_is_a_server_error(behest, stream):
    with pytest.raises(BehestServerError) as caught:
        list(behest.chat.completions.create(model="m", messages=messages("fail 500"), stream=stream))
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


def test_its_openai_client(behest, scene):
    client = BehestClient(api_key=behest.auth.mint(user_id="via-openai").token, base_url=f"{scene.base}/v1", end_user_id="ignored")
    assert client.chat.completions.create(model="m", messages=messages("hi")).choices[0].message.content == "You said: hi"
