//! Azure OpenAI: where its two APIs are, and what its content filter says.
//!
//! Always holds: a deployment's name is checked before it stands in a URL. The v1 API names the deployment in `model`, as OpenAI
//! does; the older one names it in the path and wants a dated `api-version`.
//! Absent on purpose: Entra ID tokens, which live an hour, and `prompt_filter_results` on their way (`openai::rewrite`).

use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::json::{each_member, pick};

/// The newest version of the older API that is not a preview (learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
const API_VERSION: &str = "2024-10-21";
/// Longest deployment name (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
const MAX_DEPLOYMENT: usize = 64;

/// The URL for a path of the dialect (`/chat/completions`) and the model, which is a deployment's name.
///
/// `base_url` may be the resource (`https://r.openai.azure.com`, with or without `/openai`), its v1 API (`…/openai/v1`) or one
/// deployment (`…/openai/deployments/d`). A resource with an `api_version` means the older API, without one the v1 API.
///
/// # Errors
/// 404 for what is no deployment's name.
pub(in crate::provider) fn locate(base_url: &str, api_version: Option<&str>, model: &str, path: &str) -> Result<String> {
    let base = base_url.trim_end_matches('/');
    if base.ends_with("/v1") {
        let query = api_version.map(|version| format!("?api-version={version}")).unwrap_or_default();
        return Ok(format!("{base}{path}{query}"));
    }
    let version = api_version.unwrap_or(API_VERSION);
    if base.contains("/deployments/") {
        return Ok(format!("{base}{path}?api-version={version}"));
    }
    let resource = base.strip_suffix("/openai").unwrap_or(base);
    if api_version.is_none() {
        return Ok(format!("{resource}/openai/v1{path}"));
    }
    Ok(format!("{resource}/openai/deployments/{}{path}?api-version={version}", deployment(model)?))
}

fn deployment(name: &str) -> Result<&str> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=MAX_DEPLOYMENT).contains(&name.len()) && name.bytes().all(harmless) && name.bytes().any(|byte| byte != b'.') {
        return Ok(name);
    }
    Err(Error::new(Code::ModelNotFound, format!("`{name}` is not the name of a deployment.")).with_param("model"))
}

/// A prompt that the content filter refused: the same error, with what the filter found. The parameter that Azure names (`prompt`)
/// is none of a chat's.
pub(in crate::provider) fn refused_content(error: Error, body: &[u8]) -> Error {
    match found(body) {
        Some(found) => error.with_param("messages").with_details(json!({"scope": "content_filter", "filtered": found})),
        None => error,
    }
}

/// The filter's categories that fired; `None`: it was not the filter.
fn found(body: &[u8]) -> Option<Vec<String>> {
    let [error] = pick(core::str::from_utf8(body).ok()?, ["error"]).ok()?;
    let [code, inner] = pick(error?.get(), ["code", "innererror"]).ok()?;
    if code?.get() != "\"content_filter\"" {
        return None;
    }
    let mut found = Vec::new();
    let results = inner.and_then(|inner| pick(inner.get(), ["content_filter_result"]).ok()).and_then(|[results]| results);
    if let Some(results) = results {
        // What is no object names no category.
        let _ = each_member(results.get(), |name, result| {
            if let Ok([Some(filtered)]) = pick(result.get(), ["filtered"])
                && filtered.get() == "true"
            {
                found.push(name.get().trim_matches('"').to_owned());
            }
        });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_base_url_has_its_place() {
        let resource = "https://r.openai.azure.com";
        for (base, version, expected) in [
            ("", None, "/openai/v1/chat/completions"),
            ("/openai/", None, "/openai/v1/chat/completions"),
            ("/openai/v1/", None, "/openai/v1/chat/completions"),
            ("/openai/v1", Some("preview"), "/openai/v1/chat/completions?api-version=preview"),
            ("", Some("2024-10-21"), "/openai/deployments/gpt-5.mini_1/chat/completions?api-version=2024-10-21"),
            ("/openai", Some("2024-06-01"), "/openai/deployments/gpt-5.mini_1/chat/completions?api-version=2024-06-01"),
            ("/openai/deployments/mine", None, "/openai/deployments/mine/chat/completions?api-version=2024-10-21"),
            (
                "/openai/deployments/mine",
                Some("2025-01-01-preview"),
                "/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview",
            ),
        ] {
            let url = locate(&format!("{resource}{base}"), version, "gpt-5.mini_1", "/chat/completions").unwrap();
            assert_eq!(url, format!("{resource}{expected}"));
        }
    }

    #[test]
    fn only_a_deployments_name_stands_in_a_url() {
        let long = "a".repeat(65);
        for name in ["", "..", ".", "a/b", "a?b", "a#b", "a b", "a%2f", "../secret", "é", &long] {
            let error = locate("https://r.openai.azure.com", Some("2024-10-21"), name, "/chat/completions").unwrap_err();
            assert_eq!((error.status(), error.body().contains("\"param\":\"model\"")), (404, true), "{name}");
        }
    }
}
