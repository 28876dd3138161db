"""The openai package from PyPI, unmodified, with a user's token for a key: everything its users do."""

import base64
import json
import struct
import threading
import time

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


def connect(scene, token=None, **more):
    return OpenAI(api_key=token or scene.token, base_url=f"{scene.base}/v1", max_retries=0, timeout=20, **more)


@pytest.fixture()
def client(scene):
    return connect(scene)


def user(text):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}


def test_chat(client):
    raw = client.chat.completions.with_raw_response.create(**user("hello"))
    answer = raw.parse()
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.usage.total_tokens == 18
    assert answer._request_id == raw.headers["x-request-id"]
    assert raw.headers["x-ratelimit-remaining-requests"].isdigit()


def test_stream(client):
    parts = list(client.chat.completions.create(**user("one two three"), stream=True))
    assert "".join(part.choices[0].delta.content or "" for part in parts) == "You said: one two three"
    assert parts[-1].choices[0].finish_reason == "stop"
    assert len(parts) > 4


def test_stream_usage(client):
    parts = list(client.chat.completions.create(**user("x"), stream=True, stream_options={"include_usage": True}))
    assert parts[-1].choices == []
    assert parts[-1].usage.completion_tokens == 7


def test_stream_that_a_budget_stopped(scene):
    parts = list(connect(scene, scene.short_token).chat.completions.create(**user("pour it out"), stream=True))
    assert all((part.choices[0].delta.content or "") in ("more ", "") for part in parts)
    assert parts[-1].choices[0].finish_reason == "length"
    assert (parts[-1].details["code"], parts[-1].details["scope"]) == ("quota_exceeded", "user_tokens_per_day")


def test_tools(client):
    first = client.chat.completions.create(**user("weather?"), tools=TOOLS).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
    messages = [{"role": "user", "content": "weather?"}, first.message, {"role": "tool", "tool_call_id": call.id, "content": "3 °C"}]
    assert client.chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message.content == "The tool said 3 °C"


def test_streamed_tools(client):
    with client.chat.completions.stream(**user("weather?"), tools=TOOLS) as stream:
        stream.until_done()
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.arguments == '{"city":"Oslo"}'


def test_json_schema(client):
    class Verdict(BaseModel):
        answer: str
        count: int

    parsed = client.chat.completions.parse(**user("?"), response_format=Verdict).choices[0].message.parsed
    assert parsed == Verdict(answer="forty-two", count=42)


def test_vision(client):
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBO" * 5000}}]
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "I see 1 image"


def test_leaving_a_stream(client):
    stream = client.chat.completions.create(**user("go on for ever"), stream=True)
    next(iter(stream))
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2
    assert client.chat.completions.create(**user("still there?")).choices[0].message.content == "You said: still there?"


def test_many_threads_one_client(client):
    seen = []
    threads = [threading.Thread(target=lambda n=n: seen.append(client.chat.completions.create(**user(f"m{n}")).choices[0].message.content)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == [f"You said: m{n}" for n in range(8)]


@pytest.mark.parametrize(
    ("prompt", "kind", "status", "code"),
    [
        ("fail 400", openai.BadRequestError, 400, "validation_error"),
        ("fail 429", openai.RateLimitError, 429, "rate_limited"),
        ("fail 500", openai.InternalServerError, 502, "upstream_error"),
        ("fail 401", openai.InternalServerError, 502, "upstream_error"),
    ],
)
def test_error_classes(client, prompt, kind, status, code):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**user(prompt))
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.request_id == caught.value.response.headers["x-request-id"]


def test_api_key_is_refused(scene):
    with pytest.raises(openai.AuthenticationError, match="/v1/auth/mint") as caught:
        connect(scene, scene.key).chat.completions.create(**user("x"))
    assert caught.value.code == "api_key_not_allowed"


def test_rate_limit(scene):
    tight = connect(scene, scene.tight_token)
    tight.chat.completions.create(**user("x"))
    with pytest.raises(openai.RateLimitError) as caught:
        tight.chat.completions.create(**user("x"))
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_spent_budget_is_not_retried(scene):
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError) as caught:
        connect(scene, scene.poor_token).with_options(max_retries=2).chat.completions.create(**user("x"))
    assert (caught.value.status_code, caught.value.code) == (402, "quota_exceeded")
    assert time.monotonic() - began < 3


def test_stream_that_breaks_off(client):
    pieces = []
    with pytest.raises(openai.APIError) as caught:
        for part in client.chat.completions.create(**user("break off"), stream=True):
            pieces.append(part.choices[0].delta.content or "")
    assert "".join(pieces) == "so far"
    assert caught.value.code == "upstream_error"


@pytest.mark.parametrize("form", [None, "float", "base64"])
def test_embeddings(client, scene, form):
    more = {} if form is None else {"encoding_format": form}
    answer = client.embeddings.create(model="m", input=["one", "zwei"], **more)
    assert [one.index for one in answer.data] == [0, 1]
    for one, expected in zip(answer.data, scene.vectors):
        raw = base64.b64decode(one.embedding) if form == "base64" else struct.pack(f"<{len(one.embedding)}f", *one.embedding)
        assert raw == base64.b64decode(expected)
    assert answer.usage.prompt_tokens == 14


def test_embeddings_of_tokens(client):
    assert len(client.embeddings.create(model="m", input=[[1, 2], [3]], dimensions=3).data[1].embedding) == 3


def test_moderations(client):
    assert client.moderations.create(input=["fine", "bad"], model="m").results[0].flagged
    with pytest.raises(openai.InternalServerError, match="PUT /v1/projects") as caught:
        client.with_options(max_retries=2).moderations.create(input="no provider of OpenAI's is there")
    assert (caught.value.status_code, caught.value.code) == (501, "not_supported")


def test_models(client):
    (model,) = [model for model in client.models.list() if model.id == "default"]
    assert client.models.retrieve("default") == model
    assert model.model_extra["behest"]["provider"] == "main"
