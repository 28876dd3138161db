//! The directory's object: a shell around `crate::directory`.

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::document::Document;
use super::{command, reply};
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

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let result = match command(&mut request).await {
            Ok(command) => self.apply(command),
            Err(error) => Err(error),
        };
        Ok(reply(result, 0))
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
