//! Moderations as a question: OpenAI's, with the project's own key.
//!
//! Always holds: they are free, so they count as requests and not as tokens. A model that is named is looked up as for chat; without
//! one, any provider of OpenAI's is asked, whatever models the project allows: what is checked here, nobody is shown.
//! Absent on purpose: a classifier of the gateway's own. Without OpenAI the answer is 501.

use super::Question;
use crate::api::moderations::ModerationsRequest;
use crate::catalog::Prices;
use crate::config::model::{self, Resolved};
use crate::config::{Settings, Snapshot};
use crate::error::{Code, Error, Result};
use crate::price::Rates;
use crate::provider::{Call, Document, Kind, Moderations, Target};

/// What OpenAI itself takes when none is named.
const MODEL: &str = "omni-moderation-latest";

impl Question for ModerationsRequest<'_> {
    fn route(&self) -> &'static str {
        "/v1/moderations"
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn resolve<'s>(&self, snapshot: &'s Snapshot) -> Result<Resolved<'s>> {
        let Some(name) = self.model() else {
            let openai = snapshot.providers.iter().find(|(_, config)| config.kind == Kind::OpenAi);
            let (provider, config) = openai.ok_or_else(unsupported)?;
            return Ok(Resolved { provider, config, model: MODEL.to_owned() });
        };
        let resolved = model::resolve(snapshot, Some(name))?;
        dialect(resolved.config.kind)?;
        Ok(resolved)
    }

    fn rates(&self, _settings: &Settings, _resolved: &Resolved<'_>) -> Result<Option<Rates>> {
        Ok(Rates::flat(Prices { input: Some(0), output: Some(0), ..Prices::default() }))
    }

    fn tokens(&self) -> u64 {
        0
    }

    fn ask(&self, target: &Target) -> Result<Call> {
        dialect(target.kind)?.ask(self, target)
    }

    fn read(&self, body: Vec<u8>, target: &Target) -> Result<Document> {
        dialect(target.kind)?.read(body, target)
    }
}

fn dialect(kind: Kind) -> Result<&'static dyn Moderations> {
    kind.dialect().moderations().ok_or_else(unsupported)
}

fn unsupported() -> Error {
    let message = "Moderations need a provider of the kind openai. The project's owner adds one with \
        PUT /v1/projects/{id}/providers/openai {\"kind\":\"openai\",\"api_key\":\"sk-…\"}; OpenAI does not charge for them.";
    Error::new(Code::NotSupported, message)
}
