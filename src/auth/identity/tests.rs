//! Claims in the shapes of real providers, and what becomes of them; each change of one that must not pass.

use serde_json::json;

use super::*;
use crate::config::Status;
use crate::config::provider::Sealing;
use crate::secrets::{MasterKeys, NONCE_LEN, hex};

const NOW: u64 = 1_800_000_000;

fn issuer(body: &Value) -> Issuer {
    let masters = MasterKeys::parse(&hex(&[1; 32])).unwrap();
    let sealing = Sealing { masters: &masters, nonce: [3; NONCE_LEN], allow_private: false, now_s: 5 };
    Issuer { revision: 9, ..Issuer::parse(body.to_string().as_bytes(), "proj_1", "idp", &sealing).unwrap() }
}

fn verify(issuer: &Issuer, claims: &Value) -> Result<Principal> {
    let project =
        Project { id: "proj_1".into(), tenant_id: "t".into(), slug: "s".into(), name: "n".into(), status: Status::Active, created_at: 1 };
    principal(issuer, "idp", &project, claims.as_object().unwrap(), &"ab".repeat(32), NOW)
}

fn with(claims: &Value, change: &Value) -> Value {
    let mut changed = claims.clone();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
    }
    changed
}

fn supabase() -> (Issuer, Value) {
    let issuer = issuer(&json!({"preset": "supabase", "project_ref": "abc", "tier_claim": "app_metadata.tier"}));
    let claims = json!({
        "iss": "https://abc.supabase.co/auth/v1", "sub": "5f1c6a0e-6d7b-4b8e-9d0a-1f2e3d4c5b6a", "aud": "authenticated", "exp": NOW + 3_600,
        "iat": NOW, "email": "ann@example.com", "phone": "", "app_metadata": {"provider": "email", "providers": ["email"], "tier": "pro"},
        "user_metadata": {"tier": "max"}, "role": "authenticated", "aal": "aal1", "amr": [{"method": "password", "timestamp": NOW}],
        "session_id": "0b1d5a4e-1111-4222-8333-444455556666", "is_anonymous": false,
    });
    (issuer, claims)
}

#[test]
fn a_supabase_login_is_a_user_with_all_scopes_and_nothing_of_the_providers_power() {
    let (issuer, claims) = supabase();
    let principal = verify(&issuer, &claims).unwrap();
    assert_eq!(
        principal,
        Principal {
            claims: UserClaims {
                tid: "t".into(),
                pid: "proj_1".into(),
                uid: "5f1c6a0e-6d7b-4b8e-9d0a-1f2e3d4c5b6a".into(),
                role: "user".into(),
                scp: ALL_SCOPES.into(),
                iss: "https://abc.supabase.co/auth/v1".into(),
                aud: AUDIENCE.into(),
                jti: "ab".repeat(16),
                sid: "0b1d5a4e-1111-4222-8333-444455556666".into(),
                tier: Some("pro".into()),
                via: Some(Via::Issuer("idp".into())),
                par: vec![],
                capabilities: Capabilities::default(),
            },
            issued_at: NOW,
            expires_at: NOW + 3_600,
            trust: 9,
        }
    );
    let capable = with(&claims, &json!({"scp": "chat", "usd_max": 1, "role": "admin", "under": 7, "tid": "x", "pid": "y", "uid": "z"}));
    assert_eq!(verify(&issuer, &capable).unwrap(), principal, "claims of ours mean nothing here");
}

#[test]
fn what_must_not_pass() {
    let (issuer, claims) = supabase();
    for (change, code, word) in [
        (json!({"iss": "https://abc.supabase.co/auth/v1/"}), "invalid_token", "issuer"),
        (json!({"iss": ["https://abc.supabase.co/auth/v1"]}), "invalid_token", "issuer"),
        (json!({"iss": null}), "invalid_token", "issuer"),
        (json!({"aud": "anon"}), "invalid_token", "audience"),
        (json!({"aud": null}), "invalid_token", "audience"),
        (json!({"aud": {"authenticated": true}}), "invalid_token", "audience"),
        (json!({"aud": ["a", "b"]}), "invalid_token", "audience"),
        (json!({"exp": null}), "invalid_token", "exp"),
        (json!({"exp": "1900000000"}), "invalid_token", "exp"),
        (json!({"exp": -1}), "invalid_token", "exp"),
        (json!({"exp": 1.5}), "invalid_token", "exp"),
        (json!({"exp": 1e300}), "invalid_token", "exp"),
        (json!({"exp": 9_007_199_254_740_992_u64}), "invalid_token", "exp"),
        (json!({"exp": NOW - 30}), "token_expired", "over"),
        (json!({"exp": NOW + 86_401}), "invalid_token", "86400"),
        (json!({"iat": null, "exp": NOW + 86_401}), "invalid_token", "86400"),
        (json!({"iat": NOW + 31}), "invalid_token", "yet"),
        (json!({"nbf": NOW + 31}), "invalid_token", "yet"),
        (json!({"iat": "x"}), "invalid_token", "iat"),
        (json!({"sub": null}), "invalid_token", "sub"),
        (json!({"sub": ""}), "invalid_token", "sub"),
        (json!({"sub": 1.5}), "invalid_token", "sub"),
        (json!({"sub": "admin"}), "invalid_token", "reserved"),
        (json!({"sub": "a\nb"}), "invalid_token", "sub"),
        (json!({"role": "service_role"}), "invalid_token", "key"),
        (json!({"role": "anon"}), "invalid_token", "key"),
    ] {
        let error = verify(&issuer, &with(&claims, &change)).unwrap_err();
        assert_eq!(error.name(), code, "{change}");
        assert!(error.message().contains(word), "{change}: {}", error.message());
    }
    for change in
        [json!({"aud": ["x", "authenticated"]}), json!({"exp": NOW - 29}), json!({"iat": NOW + 30}), json!({"nbf": 1_800_000_000.0})]
    {
        assert!(verify(&issuer, &with(&claims, &change)).is_ok(), "{change}");
    }
}

#[test]
fn shapes_of_other_providers() {
    let base = json!({"sub": "u1", "iat": NOW, "exp": NOW + 60});
    let clerk = json!({"preset": "clerk", "frontend_api": "a.clerk.accounts.dev", "authorized_parties": ["https://app.example"]});
    let auth0 = json!({"preset": "auth0", "domain": "a.auth0.com", "audience": "https://api.example"});
    let firebase = json!({"preset": "firebase", "project_id": "acme"});
    let cognito = json!({"preset": "cognito", "region": "eu-west-1", "user_pool_id": "p", "client_id": "c"});
    let better = json!({"preset": "better-auth", "url": "https://app.example"});
    let plain = json!({"issuer": "i", "audience": "a", "jwks_url": "https://i.example/", "user_id_claim": "https://i.example/id", "email_domains": ["Example.com"]});
    let mail = json!({"iss": "i", "aud": "a", "https://i.example/id": 42, "email": "ann@EXAMPLE.com"});
    for (config, claims, uid) in [
        (
            &clerk,
            json!({"iss": "https://a.clerk.accounts.dev", "azp": "https://app.example", "sid": "sess_1", "nbf": NOW - 10}),
            Some("u1"),
        ),
        (&clerk, json!({"iss": "https://a.clerk.accounts.dev", "azp": "https://evil.example"}), None),
        (&clerk, json!({"iss": "https://a.clerk.accounts.dev"}), None),
        (
            &auth0,
            json!({"iss": "https://a.auth0.com/", "sub": "auth0|5f", "aud": ["https://api.example", "https://a.auth0.com/userinfo"], "scope": "openid"}),
            Some("auth0|5f"),
        ),
        (&auth0, json!({"iss": "https://a.auth0.com", "aud": "https://api.example"}), None),
        (
            &firebase,
            json!({"iss": "https://securetoken.google.com/acme", "aud": "acme", "auth_time": NOW - 5, "user_id": "u1"}),
            Some("u1"),
        ),
        (&firebase, json!({"iss": "https://securetoken.google.com/acme", "aud": "acme"}), None),
        (&firebase, json!({"iss": "https://securetoken.google.com/acme", "aud": "acme", "auth_time": NOW + 31}), None),
        (&firebase, json!({"iss": "https://securetoken.google.com/other", "aud": "other", "auth_time": NOW}), None),
        (
            &cognito,
            json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "client_id": "c", "token_use": "access", "scope": "x"}),
            Some("u1"),
        ),
        (&cognito, json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "aud": "c", "token_use": "id"}), Some("u1")),
        (&cognito, json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "client_id": "d", "token_use": "access"}), None),
        (&cognito, json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "client_id": "c", "token_use": "id"}), None),
        (&cognito, json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "aud": "c", "token_use": "refresh"}), None),
        (&better, json!({"iss": "https://app.example", "aud": "https://app.example", "id": "u1"}), Some("u1")),
        (&plain, mail.clone(), Some("42")),
        (&plain, with(&mail, &json!({"email_verified": true})), Some("42")),
        (&plain, with(&mail, &json!({"email_verified": false})), None),
        (&plain, with(&mail, &json!({"email": null})), None),
        (&plain, with(&mail, &json!({"email": "ann@sub.example.com"})), None),
        (&plain, with(&mail, &json!({"email": "ann@evilexample.com"})), None),
        (&plain, with(&mail, &json!({"email": "ann@example.com@evil.com"})), None),
    ] {
        let verified = verify(&issuer(config), &with(&base, &claims));
        assert_eq!(verified.as_ref().ok().map(|p| p.claims.uid.as_str()), uid, "{config} {claims} {verified:?}");
    }
}

#[test]
fn a_tier_that_is_none_is_none() {
    let (issuer, claims) = supabase();
    for (tier, expected) in [(json!("gold"), Some("gold")), (json!("a b"), None), (json!(2), None), (json!({}), None)] {
        let claims = with(&claims, &json!({"app_metadata": {"tier": tier}}));
        assert_eq!(verify(&issuer, &claims).unwrap().claims.tier.as_deref(), expected);
    }
}
