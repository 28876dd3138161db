//! The whole conversation in order, for dialects that say it in other words: the project's instructions, the client's, the thread's
//! stored messages, the client's others.

use crate::api::chat::ChatRequest;
use crate::api::message::{Place, Said};
use crate::error::{Error, Result};
use crate::json;

use super::Extras;
use crate::api::chat::Role;

/// Reads every message. The order is that of the OpenAI dialect (`openai::request`).
///
/// # Errors
/// 400 that names the field.
pub(super) fn read<'a>(chat: &'a ChatRequest<'_>, extras: &'a Extras) -> Result<Vec<Said<'a>>> {
    let mut all = Vec::with_capacity(chat.messages.len() + extras.prepend.len() + 1);
    all.extend(extras.system_prompt.as_deref().map(Said::instructions));
    let leading = chat.messages.iter().take_while(|message| message.role.is_instruction()).count();
    let client = |(index, message): (usize, &crate::api::chat::Message<'a>)| Said::read(message.role, message.raw, Place::Request(index));
    for message in chat.messages.iter().enumerate().take(leading) {
        all.push(client(message)?);
    }
    for (index, stored) in extras.prepend.iter().enumerate() {
        let [role] = json::pick(stored.get(), ["role"]).unwrap_or_default();
        let role = role.and_then(json::text).and_then(|role| Role::parse(&role));
        let role = role.ok_or_else(|| Error::server("a stored message has no role"))?;
        all.push(Said::read(role, stored, Place::Thread(index))?);
    }
    for message in chat.messages.iter().enumerate().skip(leading) {
        all.push(client(message)?);
    }
    Ok(all)
}
