//! What counts as one address, and the name that its object has in a project.
//!
//! Always holds: an IPv6 address counts as its /64, which is what one household or one machine is given, so that nobody has more
//! than one window; an object's name tells nobody an address (addresses are personal data): it is a keyed hash.

use std::net::{IpAddr, Ipv6Addr};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secrets::{Key, hex};

/// Bytes of the hash that name an object.
const NAME_BYTES: usize = 16;

/// The address that a client's is counted as. What is no address counts as itself.
pub fn counted(address: &str) -> String {
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Ok(ip) => ip.to_string(),
        Err(_) => address.to_owned(),
    }
}

/// The name of the object that counts an address in a project.
pub fn object_name(key: &Key, project_id: &str, counted: &str) -> String {
    // An HMAC takes keys of every length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key.as_ref()) else { return format!("{project_id}/") };
    mac.update(project_id.as_bytes());
    mac.update(b"/");
    mac.update(counted.as_bytes());
    let hash = mac.finalize().into_bytes();
    format!("{project_id}/{}", hex(hash.get(..NAME_BYTES).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_as_its_network() {
        for (address, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:DB8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("unknown", "unknown"),
            ("", ""),
        ] {
            assert_eq!(counted(address), expected);
        }
    }

    #[test]
    fn a_name_is_of_a_key_a_project_and_an_address() {
        let name = |key: u8, project, address| object_name(&Key::from([key; 32]), project, address);
        let one = name(1, "proj_1", "203.0.113.7");
        assert_eq!(one.len(), "proj_1/".len() + 32);
        assert_eq!(one, name(1, "proj_1", "203.0.113.7"));
        for other in [name(2, "proj_1", "203.0.113.7"), name(1, "proj_2", "203.0.113.7"), name(1, "proj_1", "203.0.113.8")] {
            assert_ne!(one.rsplit('/').next(), other.rsplit('/').next());
        }
    }
}
