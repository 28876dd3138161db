//! Issuers as owners write them: what presets make of their fields, and what is refused by which name.

use serde_json::{Value, json};

use super::*;
use crate::secrets::{NONCE_LEN, hex};

fn masters() -> MasterKeys {
    MasterKeys::parse(&hex(&[1; 32])).unwrap()
}

fn parse_in(body: &Value, allow_private: bool) -> Result<Issuer> {
    let masters = masters();
    let sealing = Sealing { masters: &masters, nonce: [3; NONCE_LEN], allow_private, now_s: 5 };
    Issuer::parse(body.to_string().as_bytes(), "proj_1", "idp", &sealing)
}

fn parse(body: &Value) -> Result<Issuer> {
    parse_in(body, false)
}

const SECRET: &str = "canary-canary-canary-canary-canary";

/// A body, and what it says of issuer, keys and audience.
type Row = (Value, &'static str, &'static str, Vec<&'static str>);

fn rows() -> Vec<Row> {
    vec![
        (
            json!({"preset": "supabase", "project_ref": "abcdefghij"}),
            "https://abcdefghij.supabase.co/auth/v1",
            "https://abcdefghij.supabase.co/auth/v1/.well-known/jwks.json",
            vec!["authenticated"],
        ),
        (
            json!({"preset": "supabase", "url": "https://db.example.com/"}),
            "https://db.example.com/auth/v1",
            "https://db.example.com/auth/v1/.well-known/jwks.json",
            vec!["authenticated"],
        ),
        (
            json!({"preset": "clerk", "frontend_api": "calm-fox-7.clerk.accounts.dev"}),
            "https://calm-fox-7.clerk.accounts.dev",
            "https://calm-fox-7.clerk.accounts.dev/.well-known/jwks.json",
            vec![],
        ),
        (
            json!({"preset": "clerk", "frontend_api": "https://clerk.example.com/", "authorized_parties": ["https://example.com"]}),
            "https://clerk.example.com",
            "https://clerk.example.com/.well-known/jwks.json",
            vec![],
        ),
        (
            json!({"preset": "auth0", "domain": "acme.eu.auth0.com", "audience": "https://api.acme.example"}),
            "https://acme.eu.auth0.com/",
            "https://acme.eu.auth0.com/.well-known/jwks.json",
            vec!["https://api.acme.example"],
        ),
        (
            json!({"preset": "firebase", "project_id": "acme-1234"}),
            "https://securetoken.google.com/acme-1234",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            vec!["acme-1234"],
        ),
        (
            json!({"preset": "cognito", "region": "eu-west-1", "user_pool_id": "eu-west-1_AbCd", "client_id": "1h57kf5cpq17m0eml12EXAMPLE"}),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd/.well-known/jwks.json",
            vec!["1h57kf5cpq17m0eml12EXAMPLE"],
        ),
        (
            json!({"preset": "better-auth", "url": "https://app.example.com"}),
            "https://app.example.com",
            "https://app.example.com/api/auth/jwks",
            vec!["https://app.example.com"],
        ),
        (
            json!({"issuer": "https://a.example", "jwks_url": "https://a.example/keys?v=2", "audience": ["x", "y"]}),
            "https://a.example",
            "https://a.example/keys?v=2",
            vec!["x", "y"],
        ),
    ]
}

#[test]
fn presets_know_issuer_keys_and_audience() {
    for (body, issuer, keys, audience) in rows() {
        let parsed = parse(&body).unwrap_or_else(|e| panic!("{body}: {}", e.body()));
        assert_eq!((parsed.issuer.as_str(), &parsed.keys), (issuer, &Keys::Url(keys.to_owned())), "{body}");
        assert_eq!(
            (parsed.audience, parsed.user_id_claim.as_str(), parsed.max_age),
            (audience.iter().map(|&a| a.to_owned()).collect(), "sub", 86_400)
        );
    }
}

#[test]
fn discovery_needs_an_issuer_that_is_an_address() {
    let oidc = parse(&json!({"preset": "oidc", "issuer": "https://login.example.com/x", "audience": "app"})).unwrap();
    assert_eq!(oidc.keys, Keys::Discovery);
}

#[test]
fn a_secret_is_sealed_never_shown_and_the_only_key() {
    let issuer = parse(&json!({"preset": "supabase", "project_ref": "abc", "secret": SECRET})).unwrap();
    let kept = serde_json::to_string(&issuer).unwrap() + &issuer.view("idp").to_string();
    assert!(!kept.contains("canary"), "{kept}");
    assert_eq!(issuer.view("idp")["has_secret"], true);
    assert_eq!(issuer.secret(&masters(), "proj_1", "idp").unwrap().unwrap().as_slice(), SECRET.as_bytes());
    assert!(issuer.secret(&masters(), "proj_2", "idp").is_err(), "moved to another project");
    assert!(issuer.takes("HS256") && !issuer.takes("RS256"));
    let keys = parse(&json!({"preset": "supabase", "project_ref": "abc"})).unwrap();
    assert!(!keys.takes("HS256") && keys.takes("ES256"));
    let named = parse(&json!({"preset": "supabase", "project_ref": "abc", "algorithms": ["ES256"]})).unwrap();
    assert!(named.takes("ES256") && !named.takes("RS256"));
    let renamed = parse(&json!({"preset": "supabase", "project_ref": "abc", "algorithms": ["Ed25519"]})).unwrap();
    assert!(renamed.takes("EdDSA") && !renamed.takes("ES256"));
}

#[test]
fn bad_fields_are_named_and_secrets_are_not_repeated() {
    let base = json!({"issuer": "https://a.example", "jwks_url": "https://a.example/keys", "audience": "x"});
    let with = |more: Value| {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (param, body) in [
        ("preset", json!({"preset": "canary"})),
        ("extra", with(json!({"extra": 1}))),
        ("issuer", json!({})),
        ("issuer", with(json!({"issuer": ""}))),
        ("issuer", with(json!({"issuer": "a b"}))),
        ("issuer", json!({"preset": "oidc", "issuer": "http://a.example", "audience": "x"})),
        ("issuer", json!({"preset": "oidc", "issuer": "https://127.0.0.1", "audience": "x"})),
        ("jwks_url", json!({"issuer": "i", "audience": "x"})),
        ("jwks_url", with(json!({"jwks_url": "http://a.example/keys"}))),
        ("jwks_url", with(json!({"jwks_url": "https://user:canary@a.example/keys"}))),
        ("jwks_url", with(json!({"jwks_url": "https://a.example/keys#x"}))),
        ("jwks", with(json!({"jwks": {"keys": []}}))),
        ("jwks", json!({"issuer": "i", "audience": "x", "jwks": {"keys": []}})),
        ("jwks", json!({"issuer": "i", "audience": "x", "jwks": {"keys": [{"kty": "oct", "k": "canary"}]}})),
        ("jwks", json!({"issuer": "i", "audience": "x", "jwks": "canary"})),
        ("secret", with(json!({"secret": SECRET}))),
        ("secret", json!({"issuer": "i", "audience": "x", "secret": "canary"})),
        ("secret", json!({"issuer": "i", "audience": "x", "secret": ["canary"]})),
        ("audience", with(json!({"audience": null}))),
        ("audience", with(json!({"audience": []}))),
        ("audience", with(json!({"audience": [1]}))),
        ("audience", with(json!({"audience": 1}))),
        ("audience", json!({"preset": "auth0", "domain": "acme.auth0.com"})),
        ("authorized_parties", with(json!({"authorized_parties": [""]}))),
        ("user_id_claim", with(json!({"user_id_claim": "user_metadata.id"}))),
        ("tier_claim", with(json!({"tier_claim": "unsafe_metadata.tier"}))),
        ("tier_claim", with(json!({"tier_claim": "a..b"}))),
        ("email_domains", with(json!({"email_domains": ["example"]}))),
        ("algorithms", with(json!({"algorithms": ["HS256"]}))),
        ("algorithms", with(json!({"algorithms": ["none"]}))),
        ("algorithms", json!({"issuer": "i", "audience": "x", "secret": SECRET, "algorithms": ["RS256"]})),
        ("max_age", with(json!({"max_age": 59}))),
        ("max_age", with(json!({"max_age": 86_401}))),
        ("project_ref", json!({"preset": "supabase"})),
        ("project_ref", json!({"preset": "supabase", "project_ref": "a/b"})),
        ("project_ref", json!({"preset": "supabase", "project_ref": "evil.example/"})),
        ("url", json!({"preset": "supabase", "project_ref": "a", "url": "https://a.example"})),
        ("url", json!({"preset": "better-auth", "url": "https://10.0.0.1"})),
        ("domain", json!({"preset": "auth0", "audience": "x"})),
        ("domain", json!({"preset": "auth0", "audience": "x", "domain": "127.0.0.1"})),
        ("domain", json!({"preset": "auth0", "audience": "x", "domain": "a.example@evil.example"})),
        ("domain", json!({"preset": "clerk", "domain": "a.example"})),
        ("frontend_api", json!({"preset": "clerk", "frontend_api": "localhost"})),
        ("client_id", json!({"preset": "cognito", "region": "eu-west-1", "user_pool_id": "p"})),
        ("region", json!({"preset": "cognito", "region": "eu.evil", "user_pool_id": "p", "client_id": "c"})),
    ] {
        let error = parse(&body).err().unwrap_or_else(|| panic!("{body} was taken"));
        let rendered: Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!((error.status(), &rendered["error"]["param"]), (400, &json!(param)), "{body} {}", error.body());
        assert!(!error.body().contains("canary"), "{}", error.body());
    }
    assert!(parse_in(&with(json!({"jwks_url": "http://127.0.0.1:9/keys"})), true).is_ok());
    assert!(parse(&with(json!({"audience": null, "authorized_parties": ["spa"]}))).is_ok());
}
