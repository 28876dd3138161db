//! The route table: method and path → what is asked, and which credential opens it.
//!
//! Always holds: deny by default; a path that is not in the table is 404, a method that is not is 405.

use crate::auth::capabilities::Scope;
use crate::error::{Code, Error, Result};

/// What a request asks for. Ids are as the client wrote them, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the route; see TABLE")]
pub enum Route {
    Health,
    Jwks,
    Mint,
    TokenExchange,
    Attenuate,
    Chat,
    Embeddings,
    Moderations,
    Models,
    Model { id: String },
    Usage,
    Billing,
    Limits,
    Threads,
    Thread { id: String },
    Messages { id: String },
    PatchThread { id: String },
    DeleteThread { id: String },
    CreateProject,
    ListProjects,
    Project { id: String },
    PatchProject { id: String },
    DeleteProject { id: String },
    Settings { id: String },
    PutSettings { id: String },
    CreateKey { id: String },
    ListKeys { id: String },
    RotateKey { id: String, key: String },
    DeleteKey { id: String, key: String },
    CreateSigningKey { id: String },
    ListSigningKeys { id: String },
    DeleteSigningKey { id: String, kid: String },
    ListIssuers { id: String },
    Issuer { id: String, name: String },
    PutIssuer { id: String, name: String },
    DeleteIssuer { id: String, name: String },
    Revoke { id: String },
    Audit { id: String },
    ListProviders { id: String },
    Provider { id: String, name: String },
    PutProvider { id: String, name: String },
    DeleteProvider { id: String, name: String },
    ListTiers { id: String },
    Tier { id: String, name: String },
    PutTier { id: String, name: String },
    DeleteTier { id: String, name: String },
    ResolvedTier { id: String, name: String },
    ProjectUsage { id: String },
    ProjectRequests { id: String },
    Alerts { id: String },
    PutAlerts { id: String },
    DeleteAlerts { id: String },
    EraseUser { id: String, uid: String },
    UserLimits { id: String, uid: String },
    PutUserLimits { id: String, uid: String },
    DeleteUserLimits { id: String, uid: String },
}

/// Which credential opens a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Anyone.
    Public,
    /// A project's API key.
    ApiKey,
    /// A user's token with this scope.
    User(Scope),
    /// The same, or an API key with the capability `chat:server`.
    UserOrKey(Scope),
    /// A token of an identity provider, in the body.
    Subject,
    /// The deployment's admin token.
    Admin,
}

/// A row of the table that fits a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is asked.
    pub route: Route,
    /// What opens it.
    pub door: Door,
    /// The row's path, for the log: it holds no id.
    pub pattern: &'static str,
}

type Make = fn([String; 2]) -> Route;

/// Method, path (`*` takes one segment, a last `**` the rest), door, constructor.
const TABLE: &[(&str, &str, Door, Make)] = &[
    ("GET", "/healthz", Door::Public, |_| Route::Health),
    ("GET", "/.well-known/jwks.json", Door::Public, |_| Route::Jwks),
    ("POST", "/v1/auth/mint", Door::ApiKey, |_| Route::Mint),
    ("POST", "/v1/auth/token", Door::Subject, |_| Route::TokenExchange),
    ("POST", "/v1/auth/attenuate", Door::User(Scope::Any), |_| Route::Attenuate),
    ("POST", "/v1/chat/completions", Door::UserOrKey(Scope::Chat), |_| Route::Chat),
    ("POST", "/v1/embeddings", Door::UserOrKey(Scope::Embeddings), |_| Route::Embeddings),
    ("POST", "/v1/moderations", Door::UserOrKey(Scope::Moderations), |_| Route::Moderations),
    ("GET", "/v1/models", Door::UserOrKey(Scope::Any), |_| Route::Models),
    // A model's name may contain slashes.
    ("GET", "/v1/models/**", Door::UserOrKey(Scope::Any), |[id, _]| Route::Model { id }),
    ("GET", "/v1/usage", Door::User(Scope::Usage), |_| Route::Usage),
    ("GET", "/v1/billing/usage", Door::User(Scope::Usage), |_| Route::Billing),
    ("GET", "/v1/limits", Door::User(Scope::Usage), |_| Route::Limits),
    ("GET", "/v1/threads", Door::User(Scope::ThreadsRead), |_| Route::Threads),
    ("GET", "/v1/threads/*", Door::User(Scope::ThreadsRead), |[id, _]| Route::Thread { id }),
    ("GET", "/v1/threads/*/messages", Door::User(Scope::ThreadsRead), |[id, _]| Route::Messages { id }),
    ("PATCH", "/v1/threads/*", Door::User(Scope::ThreadsWrite), |[id, _]| Route::PatchThread { id }),
    ("DELETE", "/v1/threads/*", Door::User(Scope::ThreadsWrite), |[id, _]| Route::DeleteThread { id }),
    ("POST", "/v1/projects", Door::Admin, |_| Route::CreateProject),
    ("GET", "/v1/projects", Door::Admin, |_| Route::ListProjects),
    ("GET", "/v1/projects/*", Door::Admin, |[id, _]| Route::Project { id }),
    ("PATCH", "/v1/projects/*", Door::Admin, |[id, _]| Route::PatchProject { id }),
    ("DELETE", "/v1/projects/*", Door::Admin, |[id, _]| Route::DeleteProject { id }),
    ("GET", "/v1/projects/*/settings", Door::Admin, |[id, _]| Route::Settings { id }),
    ("PUT", "/v1/projects/*/settings", Door::Admin, |[id, _]| Route::PutSettings { id }),
    ("POST", "/v1/projects/*/keys", Door::Admin, |[id, _]| Route::CreateKey { id }),
    ("GET", "/v1/projects/*/keys", Door::Admin, |[id, _]| Route::ListKeys { id }),
    ("POST", "/v1/projects/*/keys/*/rotate", Door::Admin, |[id, key]| Route::RotateKey { id, key }),
    ("DELETE", "/v1/projects/*/keys/*", Door::Admin, |[id, key]| Route::DeleteKey { id, key }),
    ("POST", "/v1/projects/*/signing-keys", Door::Admin, |[id, _]| Route::CreateSigningKey { id }),
    ("GET", "/v1/projects/*/signing-keys", Door::Admin, |[id, _]| Route::ListSigningKeys { id }),
    ("DELETE", "/v1/projects/*/signing-keys/*", Door::Admin, |[id, kid]| Route::DeleteSigningKey { id, kid }),
    ("GET", "/v1/projects/*/issuers", Door::Admin, |[id, _]| Route::ListIssuers { id }),
    ("GET", "/v1/projects/*/issuers/*", Door::Admin, |[id, name]| Route::Issuer { id, name }),
    ("PUT", "/v1/projects/*/issuers/*", Door::Admin, |[id, name]| Route::PutIssuer { id, name }),
    ("DELETE", "/v1/projects/*/issuers/*", Door::Admin, |[id, name]| Route::DeleteIssuer { id, name }),
    ("POST", "/v1/projects/*/revocations", Door::Admin, |[id, _]| Route::Revoke { id }),
    ("GET", "/v1/projects/*/audit", Door::Admin, |[id, _]| Route::Audit { id }),
    ("GET", "/v1/projects/*/providers", Door::Admin, |[id, _]| Route::ListProviders { id }),
    ("GET", "/v1/projects/*/providers/*", Door::Admin, |[id, name]| Route::Provider { id, name }),
    ("PUT", "/v1/projects/*/providers/*", Door::Admin, |[id, name]| Route::PutProvider { id, name }),
    ("DELETE", "/v1/projects/*/providers/*", Door::Admin, |[id, name]| Route::DeleteProvider { id, name }),
    ("GET", "/v1/projects/*/tiers", Door::Admin, |[id, _]| Route::ListTiers { id }),
    ("GET", "/v1/projects/*/tiers/*", Door::Admin, |[id, name]| Route::Tier { id, name }),
    ("PUT", "/v1/projects/*/tiers/*", Door::Admin, |[id, name]| Route::PutTier { id, name }),
    ("DELETE", "/v1/projects/*/tiers/*", Door::Admin, |[id, name]| Route::DeleteTier { id, name }),
    ("GET", "/v1/projects/*/tiers/*/resolved", Door::Admin, |[id, name]| Route::ResolvedTier { id, name }),
    ("GET", "/v1/projects/*/usage", Door::Admin, |[id, _]| Route::ProjectUsage { id }),
    ("GET", "/v1/projects/*/requests", Door::Admin, |[id, _]| Route::ProjectRequests { id }),
    ("GET", "/v1/projects/*/alerts", Door::Admin, |[id, _]| Route::Alerts { id }),
    ("PUT", "/v1/projects/*/alerts", Door::Admin, |[id, _]| Route::PutAlerts { id }),
    ("DELETE", "/v1/projects/*/alerts", Door::Admin, |[id, _]| Route::DeleteAlerts { id }),
    ("DELETE", "/v1/projects/*/users/*", Door::Admin, |[id, uid]| Route::EraseUser { id, uid }),
    ("GET", "/v1/projects/*/users/*/limits", Door::Admin, |[id, uid]| Route::UserLimits { id, uid }),
    ("PUT", "/v1/projects/*/users/*/limits", Door::Admin, |[id, uid]| Route::PutUserLimits { id, uid }),
    ("DELETE", "/v1/projects/*/users/*/limits", Door::Admin, |[id, uid]| Route::DeleteUserLimits { id, uid }),
];

/// Reads method and path. `HEAD` is read as `GET`; a doubled `/v1/v1/` and `/auth/v1/` are tolerated.
///
/// # Errors
/// 404, or 405 with the allowed methods in `details.allow`.
pub fn parse(method: &str, path: &str) -> Result<Match> {
    let path = normal(path);
    let method = if method == "HEAD" { "GET" } else { method };
    let mut allowed: Vec<&str> = Vec::new();
    for (route_method, pattern, door, make) in TABLE {
        let Some(parameters) = capture(pattern, path) else { continue };
        if *route_method == method {
            return Ok(Match { route: make(parameters), door: *door, pattern });
        }
        allowed.push(route_method);
    }
    if allowed.is_empty() {
        return Err(Error::new(Code::NotFound, "There is no such route."));
    }
    allowed.dedup();
    let allow = allowed.join(", ");
    Err(Error::new(Code::MethodNotAllowed, format!("This route takes {allow}.")).with_details(serde_json::json!({ "allow": allow })))
}

fn normal(path: &str) -> &str {
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let single = path.strip_prefix("/v1").filter(|rest| rest.starts_with("/v1/")).unwrap_or(path);
    single.strip_prefix("/auth").filter(|rest| rest.starts_with("/v1/auth/")).unwrap_or(single)
}

fn capture(pattern: &str, path: &str) -> Option<[String; 2]> {
    let mut found = [String::new(), String::new()];
    let mut next = found.iter_mut();
    let mut rest = path.strip_prefix('/')?;
    let mut segments = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment == "**" {
            *next.next()? = decode(rest)?;
            return Some(found);
        }
        let (head, tail) = rest.split_once('/').map_or((rest, None), |(head, tail)| (head, Some(tail)));
        if segment == "*" {
            *next.next()? = decode(head)?;
        } else if segment != head {
            return None;
        }
        match (tail, segments.peek()) {
            (Some(tail), Some(_)) => rest = tail,
            (None, None) => return Some(found),
            _ => return None,
        }
    }
    None
}

/// Percent-decodes one segment; `None` if it is empty or not UTF-8.
fn decode(segment: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(segment).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> String {
        id.to_owned()
    }

    #[test]
    fn paths_find_their_route() {
        for (method, path, expected) in [
            ("GET", "/healthz", Route::Health),
            ("HEAD", "/healthz", Route::Health),
            ("POST", "/v1/auth/mint", Route::Mint),
            ("POST", "/auth/v1/auth/mint", Route::Mint),
            ("POST", "/v1/chat/completions", Route::Chat),
            ("POST", "/v1/v1/chat/completions", Route::Chat),
            ("POST", "/v1/chat/completions/", Route::Chat),
            ("POST", "/v1/embeddings", Route::Embeddings),
            ("POST", "/v1/v1/embeddings", Route::Embeddings),
            ("POST", "/v1/moderations", Route::Moderations),
            ("GET", "/v1/models/anthropic/claude", Route::Model { id: id("anthropic/claude") }),
            ("GET", "/v1/models/anthropic%2Fclaude", Route::Model { id: id("anthropic/claude") }),
            ("GET", "/v1/usage", Route::Usage),
            ("GET", "/v1/billing/usage", Route::Billing),
            ("GET", "/v1/limits", Route::Limits),
            ("GET", "/v1/threads/a%20b", Route::Thread { id: id("a b") }),
            ("GET", "/v1/threads/x/messages", Route::Messages { id: id("x") }),
            ("DELETE", "/v1/projects/p/keys/k", Route::DeleteKey { id: id("p"), key: id("k") }),
            ("POST", "/v1/projects/p/keys/k/rotate", Route::RotateKey { id: id("p"), key: id("k") }),
            ("GET", "/v1/projects/p/tiers/pro/resolved", Route::ResolvedTier { id: id("p"), name: id("pro") }),
            ("PUT", "/v1/projects/p/users/a%2Fb%20%C3%B1%25/limits", Route::PutUserLimits { id: id("p"), uid: id("a/b ñ%") }),
            ("DELETE", "/v1/projects/p/users/limits", Route::EraseUser { id: id("p"), uid: id("limits") }),
            ("GET", "/v1/projects/p/usage", Route::ProjectUsage { id: id("p") }),
            ("GET", "/v1/projects/p/requests", Route::ProjectRequests { id: id("p") }),
            ("PUT", "/v1/projects/p/alerts", Route::PutAlerts { id: id("p") }),
            ("PUT", "/v1/projects/p/providers/openai", Route::PutProvider { id: id("p"), name: id("openai") }),
        ] {
            assert_eq!(parse(method, path).unwrap().route, expected, "{method} {path}");
        }
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "/v1", 404),
            ("GET", "/v1/threads//messages", 404),
            ("GET", "/v1/threads/%ff", 404),
            ("GET", "/v1/chat/completions/x", 404),
            ("POST", "/v1/v1/v1/chat/completions", 404),
            ("GET", "/v1/chat/completions", 405),
            ("GET", "/v1/embeddings", 405),
            ("PUT", "/v1/moderations", 405),
            ("PUT", "/v1/threads/x", 405),
            ("TRACE", "/healthz", 405),
        ] {
            assert_eq!(parse(method, path).unwrap_err().status(), status, "{method} {path}");
        }
        let error = parse("PUT", "/v1/threads/x").unwrap_err();
        assert!(error.body().contains("GET, PATCH, DELETE"), "{}", error.body());
    }

    /// `tests/worker/matrix.test.ts` knocks at each of them with every credential.
    #[test]
    fn the_fixture_is_the_table() {
        let kept: serde_json::Value = serde_json::from_str(include_str!("../tests/fixtures/routes.json")).unwrap();
        let table: serde_json::Value =
            TABLE.iter().map(|(method, path, door, _)| serde_json::json!([method, path, format!("{door:?}")])).collect();
        assert_eq!(table, kept, "tests/fixtures/routes.json must be: {table}");
    }

    #[test]
    fn only_two_routes_are_public() {
        let public: Vec<_> = TABLE.iter().filter(|row| row.2 == Door::Public).map(|row| row.1).collect();
        assert_eq!(public, ["/healthz", "/.well-known/jwks.json"]);
    }
}
