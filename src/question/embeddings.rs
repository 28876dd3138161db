//! Embeddings as a question.
//!
//! Always holds: a model of a dialect without embeddings is a 400 that names `model`, and so is a project's default that is known to chat.

use super::Question;
use crate::api::embeddings::EmbeddingsRequest;
use crate::catalog::{self, Mode};
use crate::config::model::{self, Resolved};
use crate::config::{Settings, Snapshot, price};
use crate::error::{Error, Result};
use crate::price::Rates;
use crate::provider::{Call, Document, Embeddings, Kind, Target};

impl Question for EmbeddingsRequest<'_> {
    fn route(&self) -> &'static str {
        "/v1/embeddings"
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn resolve<'s>(&self, snapshot: &'s Snapshot) -> Result<Resolved<'s>> {
        let resolved = model::resolve(snapshot, self.model())?;
        let kind = resolved.config.kind;
        dialect(kind)?;
        let chats = || catalog::find(kind.name(), &resolved.model).is_some_and(|model| model.mode == Mode::Chat);
        if self.model.is_none() && kind != Kind::Demo && chats() {
            return Err(Error::invalid("model", format!("model is required: the project's default, `{}`, is for chat.", resolved.model)));
        }
        Ok(resolved)
    }

    fn rates(&self, settings: &Settings, resolved: &Resolved<'_>) -> Result<Option<Rates>> {
        price::rates(settings, resolved)
    }

    fn tokens(&self) -> u64 {
        self.tokens_estimate()
    }

    fn ask(&self, target: &Target) -> Result<Call> {
        dialect(target.kind)?.ask(self, target)
    }

    fn read(&self, body: Vec<u8>, target: &Target) -> Result<Document> {
        dialect(target.kind)?.read(body, self, target)
    }
}

fn dialect(kind: Kind) -> Result<&'static dyn Embeddings> {
    kind.dialect().embeddings().ok_or_else(|| {
        Error::invalid("model", format!("The provider of this model (kind {}) has no embeddings: name another model.", kind.name()))
    })
}
