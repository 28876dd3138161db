//! Questions that are answered by one document: embeddings, moderations. What they have in common with a chat is admission,
//! one exchange with a provider, and settling; what they lack is a thread, a stream and output tokens.
//!
//! Always holds: pure. A question is resolved, asked and read with the same snapshot and target.
//! Absent on purpose: doing any of it (`edge::question`).

mod embeddings;
mod moderations;

use crate::config::model::Resolved;
use crate::config::{Settings, Snapshot};
use crate::error::Result;
use crate::price::Rates;
use crate::provider::{Call, Document, Target};

/// A question as it was read.
pub trait Question {
    /// The route's path in the table, for the log.
    fn route(&self) -> &'static str;

    /// The model asked for, if one was named.
    fn model(&self) -> Option<&str>;

    /// Who answers it.
    ///
    /// # Errors
    /// As `config::model::resolve`, and for a model that has no answer to such a question.
    fn resolve<'s>(&self, snapshot: &'s Snapshot) -> Result<Resolved<'s>>;

    /// What it costs a token, if that is known.
    ///
    /// # Errors
    /// As `config::price::rates`.
    fn rates(&self, settings: &Settings, resolved: &Resolved<'_>) -> Result<Option<Rates>>;

    /// The tokens that count towards limits, from above.
    fn tokens(&self) -> u64;

    /// What to send.
    ///
    /// # Errors
    /// 400 that names what the provider cannot do.
    fn ask(&self, target: &Target) -> Result<Call>;

    /// Reads the answer.
    ///
    /// # Errors
    /// 502 for what is none.
    fn read(&self, body: Vec<u8>, target: &Target) -> Result<Document>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::embeddings::EmbeddingsRequest;
    use crate::api::moderations::ModerationsRequest;
    use serde_json::{Value, json};

    fn snapshot(settings: &Value, providers: &Value) -> Snapshot {
        let project = json!({"id": "proj_1", "tenant_id": "t", "slug": "s", "name": "n", "status": "active", "created_at": 0});
        serde_json::from_value(json!({"v": 1, "project": project, "settings": settings, "providers": providers})).unwrap()
    }

    fn all() -> Value {
        json!({"claude": {"kind": "anthropic", "created_at": 0}, "demo": {"kind": "demo", "created_at": 0},
            "g": {"kind": "gemini", "created_at": 0}, "o": {"kind": "openai", "created_at": 0},
            "host": {"kind": "openai-compatible", "models": ["m"], "created_at": 0},
            "v": {"kind": "vertex", "created_at": 0}, "w": {"kind": "workers-ai", "created_at": 0}})
    }

    fn check(question: &dyn Question, snapshot: &Snapshot, expected: Result<&str, (u16, &str)>) {
        let resolved = question.resolve(snapshot);
        let found = resolved.as_ref().map(|found| format!("{}/{}", found.provider, found.model));
        let found = found.map_err(|error| (error.status(), error.name()));
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{:?}", question.model());
    }

    #[test]
    fn embeddings_are_asked_of_who_has_them() {
        let settings = json!({"default_model": "gpt-4o", "routing": {"aliases": {"vec": "g/gemini-embedding-001"}}});
        let (chats, embeds) = (snapshot(&settings, &all()), snapshot(&json!({"default_model": "text-embedding-3-small"}), &all()));
        for (model, snapshot, expected) in [
            ("text-embedding-3-small", &chats, Ok("o/text-embedding-3-small")),
            ("vec", &chats, Ok("g/gemini-embedding-001")),
            ("m", &chats, Ok("host/m")),
            ("v/text-embedding-005", &chats, Ok("v/text-embedding-005")),
            ("@cf/baai/bge-m3", &chats, Ok("w/@cf/baai/bge-m3")),
            ("demo/x", &chats, Ok("demo/x")),
            ("claude/claude-haiku-4-5", &chats, Err((400, "validation_error"))),
            ("default", &chats, Err((400, "validation_error"))),
            ("default", &embeds, Ok("o/text-embedding-3-small")),
            ("", &snapshot(&json!({}), &json!({"demo": {"kind": "demo", "created_at": 0}})), Ok("demo/demo-1")),
            ("x", &snapshot(&json!({}), &json!({})), Err((503, "provider_not_configured"))),
            ("x", &snapshot(&json!({"allowed_models": ["y"]}), &all()), Err((403, "forbidden"))),
        ] {
            let body = json!({"input": "a", "model": model}).to_string();
            check(&EmbeddingsRequest::parse(body.as_bytes()).unwrap(), snapshot, expected);
        }
    }

    #[test]
    fn moderations_are_asked_of_openai_and_are_free() {
        let all = snapshot(&json!({"default_model": "claude-haiku-4-5", "allowed_models": ["gpt-4o", "m", "claude/*"]}), &all());
        let none = snapshot(&json!({}), &json!({"claude": {"kind": "anthropic", "created_at": 0}}));
        for (model, snapshot, expected) in [
            ("", &all, Ok("o/omni-moderation-latest")),
            ("m", &all, Ok("host/m")),
            ("omni-moderation-latest", &all, Err((403, "forbidden"))),
            ("claude/x", &all, Err((501, "not_supported"))),
            ("", &none, Err((501, "not_supported"))),
            ("claude-haiku-4-5", &none, Err((501, "not_supported"))),
            ("", &snapshot(&json!({}), &json!({})), Err((501, "not_supported"))),
        ] {
            let body = json!({"input": "a", "model": model}).to_string();
            let question = ModerationsRequest::parse(body.as_bytes()).unwrap();
            check(&question, snapshot, expected);
            if let Ok(resolved) = question.resolve(snapshot) {
                let rates = question.rates(&snapshot.settings, &resolved).unwrap().unwrap();
                assert_eq!((question.tokens(), rates.most(1_000_000, 1_000_000)), (0, 0));
            }
        }
        let error = ModerationsRequest::parse(br#"{"input":"a"}"#).unwrap().resolve(&none).unwrap_err();
        assert!(error.headers().contains(&("x-should-retry", "false".to_owned())) && error.message().contains("PUT /v1/projects"));
    }
}
