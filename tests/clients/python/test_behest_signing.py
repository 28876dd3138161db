"""behest-ai 1.5.0b1 from PyPI, unmodified, signing its tokens itself with a key that the gateway made.

Its two ways: `Behest(key="behest_pk_…")`, and `BehestSigningClient` with the PEM; neither asks the mint.
"""

import uuid

import pytest
from behest import Behest, BehestAuthError, BehestSigningClient, decode_token


@pytest.fixture()
def behest(scene):
    signing = scene.signing
    return Behest(key=signing["key"], kid=signing["kid"], tenant_id=signing["tenant"], project_id=signing["project"], base_url=scene.base, default_user_id=f"py-{uuid.uuid4()}")


@pytest.fixture()
def client(scene):
    signing = scene.signing
    return BehestSigningClient(signing_key_pem=signing["pem"], key_id=signing["kid"], tenant_id=signing["tenant"], project_id=signing["project"], base_url=f"{scene.base}/v1", default_user_id="py-signing")


def messages(text):
    return [{"role": "user", "content": text}]


def test_the_key_puts_it_into_sign_mode(behest, scene):
    assert behest.auth.cfg.mode == "sign"
    claims = decode_token(behest.auth.mint(user_id="ann", session_id="s-1", tier=2).token)
    assert (claims["uid"], claims["sid"], claims["scp"], claims["pid"]) == ("ann", "s-1", [], scene.signing["project"])


def test_chat(behest):
    answer = behest.chat.completions.create(model="gpt-4o-mini", messages=messages("hello"))
    assert answer["choices"][0]["message"]["content"] == "You said: hello"


def test_stream(behest):
    chunks = list(behest.chat.completions.create(model="m", messages=messages("one two"), stream=True))
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "You said: one two"


def test_a_key_that_is_not_registered_is_an_auth_error(behest):
    behest.auth.cfg.kid = "sk_unknown"
    with pytest.raises(BehestAuthError) as caught:
        behest.chat.completions.create(model="m", messages=messages("x"))
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")


def test_the_signing_client(client):
    answer = client.chat.completions.create(model="m", messages=messages("hi"))
    assert answer.choices[0].message.content == "You said: hi"


def test_the_signing_client_streams(client):
    chunks = list(client.chat.completions.create(model="m", messages=messages("a b"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: a b"
