//! Moderations at hosts of OpenAI's dialect: the client's members go out as they are, the answer comes back as it is.
//!
//! Always holds: no usage, for none is reported and none is billed.

use std::borrow::Cow;

use super::{OpenAi, request};
use crate::api::moderations::ModerationsRequest;
use crate::api::usage::TokenUsage;
use crate::error::Result;
use crate::json::{self, pick};
use crate::provider::document::{Document, Moderations};
use crate::provider::failure::{self, Scrub};
use crate::provider::{Call, Target};

impl Moderations for OpenAi {
    fn ask(&self, asked: &ModerationsRequest<'_>, target: &Target) -> Result<Call> {
        let mut object = asked.object().clone();
        object.set("model", Cow::Owned(json::string(&target.model)));
        Ok(Call::Http(request::post(target, "/moderations", false, object.to_bytes())?))
    }

    fn read(&self, body: Vec<u8>, target: &Target) -> Result<Document> {
        let results = core::str::from_utf8(&body).ok().and_then(|text| pick(text, ["results"]).ok());
        match results {
            Some([Some(results)]) if results.get().starts_with('[') => Ok(Document { body, usage: Some(TokenUsage::default()) }),
            _ => Err(failure::from_other_answer("a moderation", &body, &Scrub::of(target))),
        }
    }
}
