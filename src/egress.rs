//! Where the gateway may send requests: which base URLs an owner may store, and which a request may use.
//!
//! Always holds: only http(s), no credentials in the URL, and no private, loopback, link-local or metadata address
//! unless the deployment allows private upstreams. The URL parser has already folded decimal, octal, hexadecimal and
//! IPv6 spellings of an address. Absent on purpose: DNS; the platform resolves names and cannot reach private networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{Error, Result};

/// Host names that name the machine or its cloud's metadata service.
const INTERNAL_NAMES: [&str; 6] =
    ["localhost", "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "kubernetes.default.svc"];
const INTERNAL_SUFFIXES: [&str; 6] = [".localhost", ".local", ".internal", ".intranet", ".home.arpa", ".svc"];

/// Checks a base URL that an owner wants to store.
///
/// # Errors
/// 400 whose `param` is `base_url`.
pub fn check_base_url(text: &str, allow_private: bool) -> Result<Url> {
    let url = check_url(text, allow_private).map_err(refusal)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refusal("must not contain a query or a fragment"));
    }
    Ok(url)
}

fn refusal(why: &str) -> Error {
    Error::invalid("base_url", format!("base_url {why}."))
}

/// Checks a URL that a request is about to be sent to.
///
/// # Errors
/// Why not, as the end of a sentence.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an absolute URL such as https://api.openai.com/v1")?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials");
    }
    let host = url.host().ok_or("must name a host")?;
    if !allow_private {
        if is_internal(&host) {
            return Err("names a private, local or metadata address; the deployment allows those only with ALLOW_PRIVATE_UPSTREAMS=1");
        }
        if url.scheme() == "http" {
            return Err("must begin with https://: nothing of the gateway's travels unencrypted");
        }
    }
    Ok(url)
}

fn is_internal(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => !is_public_v4(*ip),
        Host::Ipv6(ip) => !is_public_v6(*ip),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            // A name the parser did not fold to an address but that still reads as one is nobody's public host.
            name.parse::<IpAddr>().is_ok()
                || !name.contains('.')
                || INTERNAL_NAMES.contains(&name)
                || INTERNAL_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        }
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || ip.is_unspecified();
    // 0/8 "this network", 100.64/10 shared, 192.0.0/24 protocol, 192.88.99/24 relay, 198.18/15 benchmarks, 240/4 reserved (RFC 6890).
    let reserved = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special && !reserved
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4() {
        return is_public_v4(v4);
    }
    let bytes = ip.octets();
    let embedded = |at: usize| match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => is_public_v4(Ipv4Addr::new(a, b, c, d)),
        _ => false,
    };
    match ip.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(12),
        [0x2002, ..] => embedded(2),
        // Teredo, documentation.
        [0x2001, 0 | 0xdb8, ..] => false,
        // Only 2000::/3 is global unicast.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_internal_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0x7f000001",
            "127.0.0.1.",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "2852039166",
            "0.0.0.0",
            "0",
            "100.64.0.1",
            "198.18.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "metadata",
            "printer.local",
            "db.internal",
            "①②⑦.0.0.1",
            "intranet",
        ] {
            let url = format!("https://{host}/v1");
            assert!(check_base_url(&url, false).is_err(), "{host}");
        }
    }

    #[test]
    fn public_hosts_pass_and_private_ones_where_allowed() {
        for url in [
            "https://api.openai.com/v1",
            "https://8.8.8.8/v1",
            "https://[2606:4700::1111]/v1",
            "https://api.groq.com/openai/v1",
            "https://[64:ff9b::808:808]/",
        ] {
            assert!(check_base_url(url, false).is_ok(), "{url}");
        }
        assert!(check_base_url("http://127.0.0.1:11434/v1", true).is_ok());
    }

    #[test]
    fn odd_urls_are_refused_everywhere() {
        for url in [
            "",
            "api.openai.com",
            "ftp://a.example",
            "https://u:p@a.example/v1",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "file:///etc/passwd",
            "javascript:1",
        ] {
            assert!(check_base_url(url, true).is_err(), "{url}");
        }
        assert!(check_base_url("http://api.openai.com/v1", false).is_err(), "unencrypted");
    }
}
