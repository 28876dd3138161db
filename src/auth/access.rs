//! Cloudflare Access as a second key to the admin routes: which assertions are taken, and from whom.
//!
//! Always holds: an assertion must be for this application (`aud`) and, if the operator lists addresses, of one of them; a request
//! with an `Origin` must come from the gateway's own, for the browser sends Access's cookie by itself.
//! Absent on purpose: the signature (`edge::access`) and the admin token (`bearer`).

use serde_json::{Map, Value, json};
use url::Url;

use crate::auth::identity;
use crate::config::issuer::{Issuer, Keys};
use crate::egress;
use crate::error::{Code, Error, Result};

/// The header that Access puts the assertion in.
pub const HEADER: &str = "cf-access-jwt-assertion";
/// The longest session that Access offers is a month.
const MAX_AGE_S: u64 = 31 * 86_400;

/// What the operator configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The team as an issuer.
    pub issuer: Issuer,
    /// Addresses, and domains as `@example.com`; none = whoever Access lets through.
    emails: Vec<String>,
}

impl Access {
    /// Reads `ACCESS_TEAM_DOMAIN`, `ACCESS_AUD` and `ACCESS_EMAILS`; `None` if neither of the first two is set.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn read(team: Option<&str>, audience: Option<&str>, emails: Option<&str>, allow_private: bool) -> Result<Option<Self>, String> {
        let (team, audience) = match (team, audience) {
            (None, None) => return Ok(None),
            (Some(team), Some(audience)) => (team.trim_end_matches('/'), audience.trim()),
            _ => return Err("ACCESS_TEAM_DOMAIN and ACCESS_AUD go together".to_owned()),
        };
        let team = if team.contains("://") { team.to_owned() } else { format!("https://{team}") };
        let url = egress::check_url(&team, allow_private).map_err(|why| format!("ACCESS_TEAM_DOMAIN {why}"))?;
        if url.origin().ascii_serialization() != team {
            return Err("ACCESS_TEAM_DOMAIN must be an origin such as https://team.cloudflareaccess.com".to_owned());
        }
        let emails: Vec<String> =
            emails.unwrap_or_default().split(',').map(|one| one.trim().to_ascii_lowercase()).filter(|one| !one.is_empty()).collect();
        if emails.iter().any(|one| !one.contains('@')) {
            return Err("ACCESS_EMAILS must list addresses, or domains as @example.com".to_owned());
        }
        let issuer = Issuer {
            keys: Keys::Url(format!("{team}/cdn-cgi/access/certs")),
            issuer: team,
            preset: None,
            audience: vec![audience.to_owned()],
            authorized_parties: Vec::new(),
            user_id_claim: "email".to_owned(),
            tier_claim: None,
            email_domains: Vec::new(),
            algorithms: vec!["RS256".to_owned()],
            max_age: MAX_AGE_S,
            created_at: 0,
            revision: 0,
        };
        Ok(Some(Self { issuer, emails }))
    }

    /// Who it is, by verified claims: an e-mail address, or the id of a service token.
    ///
    /// # Errors
    /// 401 for an assertion that is not good here; 403 for somebody the operator does not list.
    pub fn admin(&self, claims: &Map<String, Value>, now: u64) -> Result<String> {
        identity::check(&self.issuer, claims, now)?;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty());
        let email = text("email").map(str::to_ascii_lowercase);
        let listed =
            |email: &String| self.emails.iter().any(|one| if one.starts_with('@') { email.ends_with(one.as_str()) } else { one == email });
        match email {
            Some(email) if self.emails.is_empty() || listed(&email) => Ok(email),
            // A service token has no address; who lists addresses wants people.
            None if self.emails.is_empty() => text("common_name").map(str::to_owned).ok_or_else(nobody),
            _ => Err(nobody()),
        }
    }
}

fn nobody() -> Error {
    Error::new(Code::Forbidden, "Cloudflare Access let you in, but the deployment does not list you among its admins.")
}

/// Whether the request comes from a page of the gateway itself, or from no page at all.
///
/// # Errors
/// 403 for a page of another origin.
pub fn check_page(origin: Option<&str>, fetch_site: Option<&str>, url: &str) -> Result<()> {
    let own = Url::parse(url).map(|url| url.origin().ascii_serialization());
    let elsewhere = origin.is_some_and(|origin| own.as_deref() != Ok(origin));
    if elsewhere || fetch_site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Error::new(Code::Forbidden, "With Cloudflare Access, admin requests come from the gateway's own origin.")
            .with_details(json!({"scope": "origin"})));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: &str = "https://team.cloudflareaccess.com";

    fn access(emails: &str) -> Access {
        Access::read(Some(TEAM), Some("aud1"), Some(emails), false).unwrap().unwrap()
    }

    #[test]
    fn settings_are_whole_or_an_error() {
        assert_eq!(Access::read(None, None, None, false), Ok(None));
        assert_eq!(Access::read(Some("team.cloudflareaccess.com/"), Some("aud1"), None, false).unwrap(), Some(access("")));
        assert_eq!(access("").issuer.keys, Keys::Url(format!("{TEAM}/cdn-cgi/access/certs")));
        for (team, audience, emails) in [
            (Some(TEAM), None, None),
            (None, Some("aud1"), None),
            (Some("https://127.0.0.1"), Some("aud1"), None),
            (Some("https://a.example/path"), Some("aud1"), None),
            (Some(TEAM), Some("aud1"), Some("example.com")),
        ] {
            assert!(Access::read(team, audience, emails, false).is_err(), "{team:?} {audience:?} {emails:?}");
        }
    }

    #[test]
    fn who_is_an_admin() {
        let claims = |more: Value| {
            let mut claims = json!({"iss": TEAM, "aud": ["aud1"], "iat": 1_000, "exp": 90_000, "type": "app"});
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            claims.as_object().unwrap().clone()
        };
        for (emails, more, expected) in [
            ("", json!({"email": "Ann@Example.com"}), Ok("ann@example.com")),
            ("", json!({"common_name": "abc.access", "sub": ""}), Ok("abc.access")),
            ("ann@example.com, @team.example", json!({"email": "ann@example.com"}), Ok("ann@example.com")),
            ("ann@example.com, @team.example", json!({"email": "bob@team.example"}), Ok("bob@team.example")),
            ("ann@example.com, @team.example", json!({"email": "bob@example.com"}), Err("forbidden")),
            ("@team.example", json!({"email": "bob@evilteam.example"}), Err("forbidden")),
            ("@team.example", json!({"common_name": "x@team.example"}), Err("forbidden")),
            ("", json!({}), Err("forbidden")),
            ("", json!({"email": "a@b.c", "aud": ["other"]}), Err("invalid_token")),
            ("", json!({"email": "a@b.c", "iss": "https://other.cloudflareaccess.com"}), Err("invalid_token")),
            ("", json!({"email": "a@b.c", "exp": 1_400}), Err("token_expired")),
        ] {
            let who = access(emails).admin(&claims(more.clone()), 1_500);
            assert_eq!(who.as_deref().map_err(Error::name), expected, "{emails} {more}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let url = "https://gateway.example/v1/projects";
        for (origin, site, fine) in [
            (None, None, true),
            (Some("https://gateway.example"), Some("same-origin"), true),
            (None, Some("none"), true),
            (Some("https://evil.example"), None, false),
            (Some("null"), None, false),
            (Some("http://gateway.example"), None, false),
            (None, Some("cross-site"), false),
            (Some("https://gateway.example"), Some("same-site"), false),
        ] {
            assert_eq!(check_page(origin, site, url).is_ok(), fine, "{origin:?} {site:?}");
        }
    }
}
