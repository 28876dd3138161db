//! Which project a host name is for, where a deployment gives each project a host of its own.
//!
//! Always holds: a name that fits the pattern opens only the project of that slug; any other name of the deployment opens all.

use crate::error::{Code, Error, Result};

/// Host names with a project's slug in the place of the `*`: `*.ai.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectHosts {
    before: String,
    after: String,
}

impl ProjectHosts {
    /// Reads `PROJECT_HOSTS`.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("PROJECT_HOSTS must be a host name with one * for the slug, such as *.ai.example.com, not `{text}`");
        let (before, after) = text.split_once('*').ok_or_else(wrong)?;
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        let fits = plain(before) && plain(after) && after.starts_with('.') && after.len() > 1;
        if fits { Ok(Self { before: before.to_owned(), after: after.to_owned() }) } else { Err(wrong()) }
    }

    /// The slug that a host name holds, if it fits.
    fn slug<'a>(&self, host: &'a str) -> Option<&'a str> {
        let slug = host.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        (!slug.is_empty() && !slug.contains('.')).then_some(slug)
    }

    /// Whether a request to this host may use the project of this slug.
    ///
    /// # Errors
    /// 403 for a host of another project.
    pub fn check(&self, host: &str, project: &str) -> Result<()> {
        match self.slug(host) {
            Some(slug) if slug != project => Err(Error::new(Code::Forbidden, "The token is for another project than this host.")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_host_is_its_own() {
        let hosts = ProjectHosts::parse("*.ai.example.com").unwrap();
        for (host, project, open) in [
            ("shop.ai.example.com", "shop", true),
            ("shop.ai.example.com", "blog", false),
            ("ai.example.com", "shop", true),
            ("localhost", "shop", true),
            ("a.shop.ai.example.com", "shop", true),
            ("shop.ai.example.com.evil.example", "blog", true),
        ] {
            assert_eq!(hosts.check(host, project).is_ok(), open, "{host} {project}");
        }
        assert!(ProjectHosts::parse("ai-*.example.com").unwrap().check("ai-shop.example.com", "blog").is_err());
        for bad in ["", "*", "ai.example.com", "*.*.example.com", "*example", "*./", "*.A.example"] {
            assert!(ProjectHosts::parse(bad).is_err(), "{bad}");
        }
    }
}
