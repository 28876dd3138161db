//! Reads the `Authorization` header: what kind of credential is it? Decides nothing about its worth.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::auth::api_key;
use crate::error::{Code, Error, Result};

/// Shorter admin tokens are refused.
const MIN_ADMIN_TOKEN: usize = 16;

/// A credential by its outer form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// No `Authorization` header, or an empty one.
    None,
    /// Starts like an API key; may still be malformed or unknown.
    ApiKey(&'a str),
    /// Three dot-separated parts.
    Jwt(&'a str),
    /// Anything else.
    Other(&'a str),
}

impl<'a> Credential<'a> {
    /// Reads `Bearer <credential>`; the scheme's case is free.
    pub fn parse(header: Option<&'a str>) -> Self {
        let text = header.unwrap_or("").trim();
        let value = match text.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
            _ if text.is_empty() || text.eq_ignore_ascii_case("bearer") => return Self::None,
            _ => return Self::Other(text),
        };
        if value.is_empty() {
            Self::None
        } else if value.starts_with(api_key::PREFIX) {
            Self::ApiKey(value)
        } else if value.bytes().filter(|b| *b == b'.').count() == 2 {
            Self::Jwt(value)
        } else {
            Self::Other(value)
        }
    }

    /// The user's token, or the 401 that says what to do instead.
    pub fn user_token(self) -> Result<&'a str> {
        match self {
            Self::Jwt(token) => Ok(token),
            Self::ApiKey(_) => Err(Self::no_key_here()),
            Self::None => Err(Error::new(
                Code::InvalidToken,
                "No token was sent. Send `Authorization: Bearer <token>` with a token from POST /v1/auth/mint.",
            )),
            Self::Other(_) => Err(Error::new(Code::InvalidToken, "The credential is not a token. Get one from POST /v1/auth/mint.")),
        }
    }

    /// The refusal of an API key where a user's token belongs.
    pub fn no_key_here() -> Error {
        Error::new(
            Code::ApiKeyNotAllowed,
            "An API key does not open this route. On your server, exchange it for a user's token with POST /v1/auth/mint and send that token instead.",
        )
    }

    /// The API key text, or the 401 that says what to do instead.
    pub fn api_key(self) -> Result<&'a str> {
        match self {
            Self::ApiKey(key) => Ok(key),
            Self::None => Err(Error::new(Code::InvalidToken, "No API key was sent. Send `Authorization: Bearer behest_sk_live_…`.")),
            Self::Jwt(_) | Self::Other(_) => {
                Err(Error::new(Code::InvalidToken, "This route takes a project's API key (behest_sk_live_…)."))
            }
        }
    }

    /// Whether this is one of the deployment's admin tokens. All of them are compared, each in constant time for equal lengths.
    pub fn admin(self, tokens: &[Zeroizing<String>]) -> Result<()> {
        let sent = match self {
            Self::Other(text) | Self::Jwt(text) | Self::ApiKey(text) => text,
            Self::None => {
                return Err(Error::new(Code::InvalidToken, "No admin token was sent. Send `Authorization: Bearer $BEHEST_ADMIN_TOKEN`."));
            }
        };
        let known = tokens.iter().fold(Choice::from(0), |known, token| known | sent.as_bytes().ct_eq(token.as_bytes()));
        if bool::from(known) { Ok(()) } else { Err(Error::new(Code::InvalidToken, "This route takes the deployment's admin token.")) }
    }
}

/// Reads `BEHEST_ADMIN_TOKEN`: one token, or several with commas between them while one takes the place of another.
///
/// # Errors
/// A sentence for the operator that never contains a token.
pub fn admin_tokens(text: &str) -> std::result::Result<Vec<Zeroizing<String>>, String> {
    let tokens: Vec<_> = text.split(',').map(|token| Zeroizing::new(token.trim().to_owned())).collect();
    match tokens.iter().position(|token| token.len() < MIN_ADMIN_TOKEN) {
        None => Ok(tokens),
        Some(0) if tokens.len() == 1 => Err(format!("BEHEST_ADMIN_TOKEN must have at least {MIN_ADMIN_TOKEN} characters")),
        Some(n) => Err(format!("BEHEST_ADMIN_TOKEN: token {} must have at least {MIN_ADMIN_TOKEN} characters", n + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_apart_by_form() {
        for (header, expected) in [
            (None, Credential::None),
            (Some(""), Credential::None),
            (Some("Bearer"), Credential::None),
            (Some("Bearer  "), Credential::None),
            (Some("bearer a.b.c"), Credential::Jwt("a.b.c")),
            (Some("BEARER  a.b.c "), Credential::Jwt("a.b.c")),
            (Some("Bearer behest_sk_live_x"), Credential::ApiKey("behest_sk_live_x")),
            (Some("Bearer abc"), Credential::Other("abc")),
            (Some("Basic abc"), Credential::Other("Basic abc")),
        ] {
            assert_eq!(Credential::parse(header), expected, "{header:?}");
        }
    }

    #[test]
    fn an_api_key_on_a_user_route_is_sent_to_the_mint() {
        let error = Credential::ApiKey("behest_sk_live_x").user_token().unwrap_err();
        assert_eq!((error.status(), error.name()), (401, "api_key_not_allowed"));
        assert!(error.message().contains("/v1/auth/mint"));
    }

    #[test]
    fn each_admin_token_of_the_list_opens_and_nothing_else_does() {
        let (old, new) = ("old-token-0123456789", "new-token-0123456789");
        let tokens = admin_tokens(&format!("{new}, {old}")).unwrap();
        for (sent, opens) in [(old, true), (new, true), ("", false), (&format!("{new},{old}"), false), ("new-token-012345678x", false)] {
            assert_eq!(Credential::Other(sent).admin(&tokens).is_ok(), opens, "{sent}");
        }
        assert!(Credential::Other(old).admin(&[]).is_err());
    }

    #[test]
    fn short_admin_tokens_are_refused_without_being_repeated() {
        for text in ["", "short", "long-enough-0123456789,short", "long-enough-0123456789,"] {
            let error = admin_tokens(text).unwrap_err();
            assert!(error.contains("at least 16 characters") && !error.contains("long-enough") && !error.contains("short"), "{error}");
        }
    }
}
