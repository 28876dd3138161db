//! Images, sounds, films and documents as Gemini takes them: in the request, or by an address that Google fetches itself.
//!
//! Addresses: `https` (public or signed), Google's own file store (`files/…` or its URL), `gs:` and `YouTube`. What is at an
//! address is said by the ending of its path where there is one. Always holds: an error names the part.
//! Absent on purpose: fetching, so plain `http`, which Google does not fetch, is refused.

use std::borrow::Cow;

use super::wire::{FileData, InlineData, Part};
use crate::api::message::{self, Media, Piece};
use crate::error::Result;
use crate::json;

const STORE: &str = "https://generativelanguage.googleapis.com/v1beta/";
/// OpenAI's word for a sound's format, and Gemini's media type.
const SOUNDS: [(&str, &str); 11] = [
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("mpeg", "audio/mpeg"),
    ("aiff", "audio/aiff"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("flac", "audio/flac"),
    ("m4a", "audio/m4a"),
    ("mp4", "audio/mp4"),
    ("webm", "audio/webm"),
];
const ENDINGS: [(&str, &str); 24] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("avi", "video/x-msvideo"),
    ("3gp", "video/3gpp"),
];

/// A part of a user's or a tool's message.
pub(super) fn part<'a>(part: &message::Part<'a>) -> Result<Part<'a>> {
    match &part.piece {
        Piece::Text(text) | Piece::Refusal(text) => Ok(Part::text(text.clone())),
        Piece::Image(media) => from_media(media, Some("image/jpeg"), part, ".image_url.url"),
        Piece::File { media, .. } => from_media(media, None, part, ".file"),
        Piece::Audio { data, format } => {
            let known = SOUNDS.into_iter().find(|(name, _)| name == format);
            let (_, mime) = known.ok_or_else(|| {
                let names = SOUNDS.map(|(name, _)| name).join(", ");
                part.invalid(".input_audio.format", &format!("must be one of {names}."))
            })?;
            Ok(inline(Cow::Borrowed(mime), data.clone()))
        }
        Piece::Other(kind) if kind == "video_url" => video(part),
        Piece::Other(_) => Err(part.unsupported("Gemini")),
    }
}

fn inline<'a>(mime_type: Cow<'a, str>, data: Cow<'a, str>) -> Part<'a> {
    Part { inline_data: Some(InlineData { mime_type, data }), ..Part::default() }
}

fn from_media<'a>(media: &Media<'a>, otherwise: Option<&'static str>, part: &message::Part<'a>, field: &str) -> Result<Part<'a>> {
    let uri = match media {
        Media::Inline { mime, base64 } => return Ok(inline(Cow::Owned(mime.clone()), base64.clone())),
        Media::Url(url) => url.clone(),
        Media::Id(id) if id.starts_with("files/") => Cow::Owned(format!("{STORE}{id}")),
        Media::Id(id) => id.clone(),
    };
    let starts = |scheme: &str| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !starts("https://") && !starts("gs://") {
        return Err(part.invalid(field, "must be base64, an https URL, or a file of Google's own stores (files/…, gs://…)."));
    }
    // Google knows what its own store and its film site hold.
    let known = uri.starts_with(STORE) || is_youtube(&uri);
    let mime_type = ending(&uri).or(otherwise.filter(|_| !known)).map(Cow::Borrowed);
    Ok(Part { file_data: Some(FileData { mime_type, file_uri: uri }), ..Part::default() })
}

/// A film: not OpenAI's, but hosts that have them agree on `{"type":"video_url","video_url":{"url":…}}`.
fn video<'a>(part: &message::Part<'a>) -> Result<Part<'a>> {
    let wrong = || part.invalid(".video_url.url", "must be an https URL, or a data: URL with base64.");
    let url = part.member("video_url").and_then(|video| json::pick(video.get(), ["url"]).ok()).and_then(|[url]| url);
    let url = url.and_then(json::text).ok_or_else(wrong)?;
    if let Some(data) = url.strip_prefix("data:") {
        let (mime, base64) = data.split_once(";base64,").ok_or_else(wrong)?;
        return Ok(inline(Cow::Owned(mime.to_owned()), Cow::Owned(base64.to_owned())));
    }
    from_media(&Media::Url(url), Some("video/mp4"), part, ".video_url.url")
}

/// What a URL's path ends in.
fn ending(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?.split_once("://")?.1.split_once('/')?.1;
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    ENDINGS.into_iter().find(|(known, _)| *known == ending).map(|(_, mime)| mime)
}

fn is_youtube(url: &str) -> bool {
    let host = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    matches!(host.strip_prefix("www.").unwrap_or(host), "youtube.com" | "youtu.be" | "m.youtube.com")
}
