//! Parts of a message as Anthropic's blocks of content.
//!
//! Always holds: `cache_control` of a part is its block's; text without anything to read is left out, for the API refuses it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::NAME;
use super::wire::{Block, Kind, Source};
use crate::api::message::{Media, Part, Piece, Said};
use crate::error::Result;

const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The blocks of a user's message or a tool's result.
///
/// # Errors
/// 400 that names the part.
pub(super) fn blocks<'a>(said: &Said<'a>) -> Result<Vec<Block<'a>>> {
    let blocks: Vec<Option<Block<'a>>> = said.parts.iter().map(block).collect::<Result<_>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

/// The blocks of instructions, or of what the assistant said: text only.
///
/// # Errors
/// 400 that names the part.
pub(super) fn texts<'a>(said: &Said<'a>) -> Result<Vec<Block<'a>>> {
    if let Some(part) = said.parts.iter().find(|part| part.text().is_none()) {
        return Err(part.unsupported(NAME));
    }
    blocks(said)
}

fn block<'a>(part: &Part<'a>) -> Result<Option<Block<'a>>> {
    let kind = match &part.piece {
        Piece::Text(text) | Piece::Refusal(text) if text.trim().is_empty() => return Ok(None),
        Piece::Text(text) | Piece::Refusal(text) => Kind::Text { text: text.clone() },
        Piece::Image(media) => Kind::Image { source: image(part, media)? },
        Piece::File { media, name } => file(part, media, name.as_ref())?,
        Piece::Audio { .. } | Piece::Other(_) => return Err(part.unsupported(NAME)),
    };
    Ok(Some(kind.with(part.member("cache_control"))))
}

fn image<'a>(part: &Part<'a>, media: &Media<'a>) -> Result<Source<'a>> {
    match media {
        Media::Inline { mime, base64 } => {
            let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
            if !IMAGES.contains(&mime) {
                return Err(part.invalid("", &format!("is of the type {mime}: {NAME} takes JPEG, PNG, GIF and WebP.")));
            }
            Ok(Source::Base64 { media_type: mime.to_owned(), data: base64.clone() })
        }
        Media::Url(url) => Ok(Source::Url { url: url.clone() }),
        Media::Id(_) => Err(part.invalid("", "names a file of another provider.")),
    }
}

fn file<'a>(part: &Part<'a>, media: &Media<'a>, name: Option<&Cow<'a, str>>) -> Result<Kind<'a>> {
    let source = match media {
        Media::Inline { mime, .. } if mime.starts_with("image/") => return Ok(Kind::Image { source: image(part, media)? }),
        Media::Inline { mime, base64 } if mime == "application/pdf" => Source::Base64 { media_type: mime.clone(), data: base64.clone() },
        Media::Inline { mime, base64 } if mime.starts_with("text/") => {
            let data = STANDARD.decode(base64.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let data = data.ok_or_else(|| part.invalid(".file.file_data", "must be base64 of UTF-8 text."))?;
            Source::Text { media_type: "text/plain", data }
        }
        Media::Inline { mime, .. } => {
            return Err(part.invalid(".file.file_data", &format!("is of the type {mime}: {NAME} takes PDF, text and images.")));
        }
        Media::Url(url) => Source::Url { url: url.clone() },
        Media::Id(_) => return Err(part.invalid(".file.file_id", "is not supported: send file_data.")),
    };
    Ok(Kind::Document { source, title: name.cloned(), citations: part.member("citations") })
}
