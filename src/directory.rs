//! Which projects there are: ids and slugs of the whole deployment, kept by one object off the request path.
//!
//! Always holds: a slug belongs to one project; each project that trusts an identity provider is found by that provider's name, though
//! some that no longer do may be, too: a project's own configuration decides. Absent on purpose: anything else that serving a request
//! needs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Project;
use crate::error::{Code, Error, Result};

/// How many projects are told of one issuer: among more, the client says which it means.
const MAX_TRUSTING: usize = 20;

/// The projects by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    projects: BTreeMap<String, Project>,
    /// Ids of projects by what `iss` says in the tokens that they trust.
    #[serde(default)]
    issuers: BTreeMap<String, BTreeSet<String>>,
}

/// What can be asked of the directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Command {
    /// Keeps a project; the same id replaces.
    Put(Project),
    Remove {
        id: String,
    },
    /// A project trusts an issuer.
    Trust {
        id: String,
        issuer: String,
    },
    /// It does no longer.
    Distrust {
        id: String,
        issuer: String,
    },
    /// The projects that may trust an issuer.
    WhoTrusts {
        issuer: String,
    },
    /// Newest first, after the project `after`.
    List {
        after: Option<String>,
        limit: usize,
    },
}

/// A page of projects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Newest first.
    pub data: Vec<Project>,
    /// Whether there are more.
    pub has_more: bool,
}

impl Directory {
    /// Applies a command to a copy.
    ///
    /// # Errors
    /// 409 for a slug that another project has.
    pub fn apply(&self, command: Command) -> Result<(Self, Page)> {
        let mut next = self.clone();
        let none = Page { data: Vec::new(), has_more: false };
        match command {
            Command::Put(project) => {
                if next.projects.values().any(|other| other.slug == project.slug && other.id != project.id) {
                    let message = format!("The slug `{}` is taken.", project.slug);
                    return Err(Error::new(Code::Conflict, message).with_param("slug"));
                }
                next.projects.insert(project.id.clone(), project);
                Ok((next, none))
            }
            Command::Remove { id } => {
                next.projects.remove(&id);
                next.issuers.retain(|_, ids| {
                    ids.remove(&id);
                    !ids.is_empty()
                });
                Ok((next, none))
            }
            Command::Trust { id, issuer } => {
                next.issuers.entry(issuer).or_default().insert(id);
                Ok((next, none))
            }
            Command::Distrust { id, issuer } => {
                if let Some(ids) = next.issuers.get_mut(&issuer) {
                    ids.remove(&id);
                }
                next.issuers.retain(|_, ids| !ids.is_empty());
                Ok((next, none))
            }
            Command::WhoTrusts { issuer } => Ok((next, self.who_trusts(&issuer))),
            Command::List { after, limit } => Ok((next, self.page(after.as_deref(), limit))),
        }
    }

    fn who_trusts(&self, issuer: &str) -> Page {
        let ids = self.issuers.get(issuer).into_iter().flatten();
        let mut data: Vec<Project> = ids.filter_map(|id| self.projects.get(id)).take(MAX_TRUSTING + 1).cloned().collect();
        let has_more = data.len() > MAX_TRUSTING;
        data.truncate(MAX_TRUSTING);
        Page { data, has_more }
    }

    fn page(&self, after: Option<&str>, limit: usize) -> Page {
        let mut all: Vec<&Project> = self.projects.values().collect();
        all.sort_by_key(|project| (std::cmp::Reverse(project.created_at), &project.id));
        let start = after.and_then(|id| all.iter().position(|project| project.id == id)).map_or(0, |at| at + 1);
        let rest = all.get(start..).unwrap_or_default();
        Page { data: rest.iter().take(limit).map(|project| (*project).clone()).collect(), has_more: rest.len() > limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Status;

    fn project(id: &str, slug: &str, created_at: u64) -> Project {
        Project { id: id.into(), tenant_id: "t".into(), slug: slug.into(), name: String::new(), status: Status::Active, created_at }
    }

    #[test]
    fn a_slug_belongs_to_one_project() {
        let (one, _) = Directory::default().apply(Command::Put(project("a", "s", 1))).unwrap();
        assert_eq!(one.apply(Command::Put(project("b", "s", 2))).unwrap_err().status(), 409);
        assert!(one.apply(Command::Put(project("a", "s", 1))).is_ok());
        let (none, _) = one.apply(Command::Remove { id: "a".into() }).unwrap();
        assert!(none.apply(Command::Put(project("b", "s", 2))).is_ok());
    }

    #[test]
    fn issuers_lead_to_the_projects_that_trust_them() {
        let mut directory = Directory::default();
        let mut ask = |command: Command| {
            let (next, page) = directory.apply(command).unwrap();
            directory = next;
            page.data.iter().map(|project| project.id.clone()).collect::<Vec<_>>()
        };
        let trust = |id: &str| Command::Trust { id: id.into(), issuer: "https://i".into() };
        let who = || Command::WhoTrusts { issuer: "https://i".into() };
        for id in ["a", "b"] {
            ask(Command::Put(project(id, id, 1)));
            ask(trust(id));
        }
        ask(trust("never-made"));
        assert_eq!(ask(who()), ["a", "b"]);
        assert!(ask(Command::WhoTrusts { issuer: "https://j".into() }).is_empty());
        ask(Command::Distrust { id: "a".into(), issuer: "https://i".into() });
        assert_eq!(ask(who()), ["b"]);
        ask(Command::Remove { id: "b".into() });
        ask(Command::Put(project("b", "b", 2)));
        assert!(ask(who()).is_empty(), "a project that is made anew trusts nobody");
        let old: Directory = serde_json::from_str(r#"{"projects":{}}"#).unwrap();
        assert_eq!(old, Directory::default());
    }

    #[test]
    fn pages_follow_each_other() {
        let mut directory = Directory::default();
        for n in 0..5 {
            directory = directory.apply(Command::Put(project(&format!("p{n}"), &format!("s{n}"), n))).unwrap().0;
        }
        let ids = |page: &Page| page.data.iter().map(|p| p.id.clone()).collect::<Vec<_>>();
        let first = directory.page(None, 3);
        assert_eq!((ids(&first), first.has_more), (vec!["p4".to_owned(), "p3".into(), "p2".into()], true));
        let second = directory.page(Some("p2"), 3);
        assert_eq!((ids(&second), second.has_more), (vec!["p1".to_owned(), "p0".into()], false));
    }
}
