"""Tokens that PyJWT signs: logins in the shapes of identity providers, and a tenant's own, with the keys as PyJWT exports them.

Always holds: a refused token differs from one that is let in by one thing. The provider's keys are fetched from a server in this file.
Absent: more providers (worker/provider-tokens.test.ts), what a token opens.
"""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "super-secret-jwt-token-with-at-least-32-characters"
KEYS = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "HS256": (lambda: SECRET, None),
}


class Server(ThreadingHTTPServer):
    """Publishes keys, and an OIDC discovery document that leads to them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        before, found, _ = self.path.partition("/.well-known/openid-configuration")
        url = self.server.url
        document = {"issuer": url + before, "jwks_uri": f"{url}/jwks"} if found else {"keys": self.server.keys}
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    one = Server()
    yield one
    one.shutdown()
    one.server_close()


def admin(scene, method, path, body):
    answer = httpx.request(method, f"{scene.base}/v1/projects/{scene.signing['project']}{path}", headers={"authorization": f"Bearer {scene.admin}"}, json=body, timeout=20)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def enter(scene, token):
    return httpx.get(f"{scene.base}/v1/threads", headers={"authorization": f"Bearer {token}"}, timeout=20)


def public(alg, key, kid):
    return {**KEYS[alg][1].to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": alg, "use": "sig"}


def life(seconds=600):
    now = int(time.time())
    return {"iat": now, "exp": now + seconds}


def supabase(ref, _url):
    return {
        "iss": f"https://{ref}.supabase.co/auth/v1", "sub": str(uuid.uuid4()), "aud": "authenticated", "role": "authenticated", "email": "ann@example.com", "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]}, "user_metadata": {"email_verified": True}, "aal": "aal1",
        "amr": [{"method": "password", "timestamp": int(time.time())}], "session_id": str(uuid.uuid4()), "is_anonymous": False, **life(3600),
    }


def oidc(ref, url):
    return {"iss": f"{url}/{ref}", "sub": "ann", "aud": ["https://other.example", "app"], "azp": "app", "sid": str(uuid.uuid4()), "nonce": "n-0S6_WzA2Mj", "auth_time": int(time.time()), "email_verified": True, **life()}


LOGINS = [
    pytest.param("ES256", lambda ref, _: {"preset": "supabase", "project_ref": ref}, supabase, id="supabase"),
    pytest.param("HS256", lambda ref, _: {"preset": "supabase", "project_ref": ref, "secret": SECRET}, supabase, id="supabase-legacy"),
    pytest.param("RS256", lambda ref, url: {"preset": "oidc", "issuer": f"{url}/{ref}", "audience": "app"}, oidc, id="oidc-rs256"),
    pytest.param("EdDSA", lambda ref, url: {"preset": "oidc", "issuer": f"{url}/{ref}", "audience": "app"}, oidc, id="oidc-eddsa"),
]
REFUSED = [
    pytest.param({"aud": "someone-else"}, "invalid_token", id="audience"),
    pytest.param({"iss": "https://evil.example"}, "invalid_token", id="issuer"),
    pytest.param({"iat": int(time.time()) - 900, "exp": int(time.time()) - 60}, "token_expired", id="over"),
    pytest.param({"nbf": int(time.time()) + 900, "exp": int(time.time()) + 1800}, "invalid_token", id="not-yet"),
    pytest.param({"sub": None}, "invalid_token", id="nobody"),
]


@pytest.fixture()
def login(scene, server, request):
    """A trusted provider: what signs as it does, with changes."""
    alg, config, claims = request.param
    ref, kid, key = f"p{uuid.uuid4().hex[:12]}", str(uuid.uuid4()), KEYS[alg][0]()
    body = config(ref, server.url)
    if alg != "HS256":
        server.keys.append(public(alg, key, kid))
        if body["preset"] != "oidc":
            body["jwks_url"] = f"{server.url}/jwks?{ref}"
    admin(scene, "PUT", f"/issuers/{ref}", body)
    return lambda changes={}, key=key: jwt.encode({**claims(ref, server.url), **changes}, key, algorithm=alg, headers={"kid": kid})


def each(rows):
    return pytest.mark.parametrize("login", [pytest.param(row.values, id=row.id) for row in rows], indirect=True)


@each(LOGINS)
def test_a_login_is_let_in_twice(scene, login):
    token = login()
    assert [enter(scene, token).status_code for _ in range(2)] == [200, 200]


@each(LOGINS)
@pytest.mark.parametrize("changes, code", REFUSED)
def test_a_login_with_one_thing_changed_is_not(scene, login, changes, code):
    answer = enter(scene, login(changes))
    assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text


@each(LOGINS)
def test_a_login_signed_by_somebody_else_is_not(scene, login):
    alg = jwt.get_unverified_header(login())["alg"]
    answer = enter(scene, login(key="another secret of more than 32 bytes" if alg == "HS256" else KEYS[alg][0]()))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), answer.text


def tenant(scene, **changes):
    return {"tid": "tnt_default", "pid": scene.signing["project"], "uid": "ann", "iss": "behest", "aud": "behest", "sid": "s-1", "jti": str(uuid.uuid4()), **life(), **changes}


@pytest.fixture(params=["ES256", "EdDSA", "RS256"])
def own(scene, request):
    """A key of the tenant's, registered with the public half that PyJWT exports."""
    key = KEYS[request.param][0]()
    kid = admin(scene, "POST", "/signing-keys", {"public_key": public(request.param, key, f"py-{uuid.uuid4()}")})["kid"]
    return lambda claims, key=key: jwt.encode(claims, key, algorithm=request.param, headers={"kid": kid})


def test_a_tenants_token_is_let_in_and_a_changed_one_is_not(scene, own):
    assert enter(scene, own(tenant(scene))).status_code == 200
    for changes in ({"aud": "other"}, {"pid": "proj_000000000000000000000000"}, {"tid": "tnt_other"}, {"iss": "https://evil.example"}, {"uid": "admin"}):
        answer = enter(scene, own(tenant(scene, **changes)))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), (changes, answer.text)
    answer = enter(scene, own(tenant(scene, iat=int(time.time()) - 900, exp=int(time.time()) - 60)))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired"), answer.text


def test_pyjwt_reads_the_token_of_the_mint(scene):
    keys = jwt.PyJWKSet.from_dict(httpx.get(f"{scene.base}/.well-known/jwks.json", timeout=20).json())
    head = jwt.get_unverified_header(scene.token)
    claims = jwt.decode(scene.token, keys[head["kid"]], algorithms=["EdDSA"], audience="behest", options={"require": ["exp", "iat", "iss", "jti"]})
    assert (claims["uid"], claims["role"], claims["pid"]) == ("python", "user", scene.signing["project"])
