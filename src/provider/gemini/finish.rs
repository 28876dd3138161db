//! Why Gemini ended an answer, in OpenAI's words.
//!
//! Always holds: whatever was blocked for what it says is `content_filter`; with calls, `STOP` is `tool_calls`. An answer that
//! the model could not form (a call that is no JSON, say) is an error of the provider rather than an empty `stop`: a client
//! would take that for the end of its work, while it can send a failed request once more. A call of a tool that was not
//! offered stays a call: agents answer it with an error, and the model goes on.

use crate::error::{Code, Error, Result};
use crate::provider::failure::Scrub;
use crate::provider::shape::Finish;

/// What is known of a choice when its answer is over.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// As Gemini says it, last heard; `None`: the answer is not complete.
    pub(super) reason: Option<String>,
    /// Gemini's words to it.
    pub(super) message: Option<String>,
    /// There are calls.
    pub(super) calls: bool,
    /// There is text, or anything else.
    pub(super) said: bool,
}

impl Ending {
    /// The finish reason.
    ///
    /// # Errors
    /// 502 when there is no reason, or it says that there is no answer.
    pub(super) fn finish(&self, scrub: &Scrub) -> Result<Finish> {
        let Some(reason) = &self.reason else {
            return Err(Error::new(Code::UpstreamError, "The provider's answer ended before it was complete."));
        };
        match reason.as_str() {
            // The numbers are those of another encoding of the same answer.
            "STOP" | "1" => Ok(if self.calls { Finish::ToolCalls } else { Finish::Stop }),
            "MAX_TOKENS" | "2" => Ok(Finish::Length),
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => Ok(Finish::ContentFilter),
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "MISSING_THOUGHT_SIGNATURE" => Err(self.failed(reason, scrub)),
            _ if self.calls => Ok(Finish::ToolCalls),
            "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => Err(self.failed(reason, scrub)),
            // OTHER, and what is yet to come.
            _ if self.said => Ok(Finish::Stop),
            _ => Err(self.failed(reason, scrub)),
        }
    }

    fn failed(&self, reason: &str, scrub: &Scrub) -> Error {
        let words = self.message.as_deref().map_or_else(|| ".".to_owned(), |message| format!(": {}", scrub.clean(message)));
        Error::new(Code::UpstreamError, format!("The model could not complete its answer ({}){words}", scrub.clean(reason)))
    }
}
