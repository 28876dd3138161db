//! The directory's object: a shell around `crate::directory`.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::document::Document;
use super::{no_door, read, reply};
use crate::directory::{Command, Directory, Page};
use crate::error::Result;

/// One for the deployment.
#[durable_object(fetch)]
pub struct DirectoryObject {
    document: Document<Directory>,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, _env: Env) -> Self {
        Self { document: Document::new(&state) }
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        Ok(no_door())
    }
}

#[wasm_bindgen]
impl DirectoryObject {
    /// Answers a command: a parcel of JSON to a parcel of JSON.
    pub async fn ask(&self, command: JsValue) -> JsValue {
        reply(read(command).await.and_then(|command| self.apply(command)), 0)
    }
}

impl DirectoryObject {
    fn apply(&self, command: Command) -> Result<Page> {
        let now = self.document.load()?;
        let (next, page) = now.apply(command)?;
        if next != now {
            self.document.save(next)?;
        }
        Ok(page)
    }
}
