//! Who is calling, as an address: the socket's peer, or what trusted proxies say of it; the limiter's key for it; and the
//! name that such a proxy gave the request.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::{IpNet, Ipv6Net};

#[derive(Clone, Debug)]
pub struct ClientRules {
    /// Proxies whose `X-Forwarded-*` is believed. Trust is a property of the socket's peer, never of a header.
    pub trusted_proxies: Vec<IpNet>,
    /// How many bits of an IPv6 address name one client.
    pub ipv6_prefix: u8,
}

/// A client's address, and whether the peer that said so is a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    pub ip: IpAddr,
    /// The other end of the socket.
    pub peer: IpAddr,
    pub through_trusted: bool,
}

/// Field holding the addresses that proxies saw, oldest first.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// Field by which a request is found again in other logs.
pub const REQUEST_ID: &str = "x-request-id";

/// The most bytes that an id from elsewhere may have.
const MAX_REQUEST_ID: usize = 128;

impl ClientAddress {
    /// The id that a trusted proxy gave the request. It goes into logs, answers and on to the upstream, so that only one of
    /// a plain form is taken; from anyone else it is a claim.
    pub fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let mut fields = headers.get_all(REQUEST_ID).iter().filter(|_| self.through_trusted);
        let id = fields.next()?.to_str().ok()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let taken = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(plain) && fields.next().is_none();
        taken.then_some(id)
    }
}

impl ClientRules {
    /// Walk `X-Forwarded-For` from the right: each trusted hop names the one before it. The first that is not trusted is
    /// the client; at an element that is no address the walk ends at the hop that sent it.
    pub fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress { ip: peer, peer, through_trusted: false };
        }
        let mut ip = peer;
        let fields = headers.get_all(FORWARDED_FOR);
        let fields: Vec<&str> = fields.iter().map(|value| value.to_str().unwrap_or("?")).collect();
        for element in fields.iter().rev().flat_map(|field| field.rsplit(',')) {
            let Ok(hop) = element.trim().parse::<IpAddr>() else { break };
            ip = hop.to_canonical();
            if !self.trusts(ip) {
                break;
            }
        }
        ClientAddress { ip, peer, through_trusted: true }
    }

    /// What a quota counts by: the address, or the IPv6 network that one client commands.
    pub fn limiter_key(&self, ip: IpAddr) -> IpAddr {
        match ip.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => Ipv6Net::new(v6, self.ipv6_prefix).map_or(v6, |net| net.network()).into(),
        }
    }

    /// Whether this is a trusted proxy.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn resolved(peer: &str, forwarded: &[&str]) -> (String, bool) {
        let nets = ["10.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap());
        let rules = ClientRules { trusted_proxies: nets.into(), ipv6_prefix: 64 };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let address = rules.resolve(peer.parse().unwrap(), &headers);
        (address.ip.to_string(), address.through_trusted)
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        assert_eq!(resolved("192.0.2.9", &["1.2.3.4"]), ("192.0.2.9".into(), false));
        assert_eq!(resolved("10.0.0.1", &["1.2.3.4"]), ("1.2.3.4".into(), true));
        assert_eq!(resolved("::ffff:10.0.0.1", &["1.2.3.4"]), ("1.2.3.4".into(), true));
    }

    #[test]
    fn the_walk_is_from_the_right_and_ends_at_the_first_stranger() {
        assert_eq!(resolved("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"]), ("1.2.3.4".into(), true));
        assert_eq!(resolved("10.0.0.1", &["6.6.6.6", "::ffff:1.2.3.4"]), ("1.2.3.4".into(), true));
        assert_eq!(resolved("10.0.0.1", &[]), ("10.0.0.1".into(), true));
    }

    #[test]
    fn junk_ends_the_walk_at_the_hop_that_sent_it() {
        assert_eq!(resolved("10.0.0.1", &["1.2.3.4, junk, 10.0.0.7"]), ("10.0.0.7".into(), true));
        assert_eq!(resolved("10.0.0.1", &["1.2.3.4:80"]), ("10.0.0.1".into(), true));
    }

    #[test]
    fn a_request_keeps_its_id_if_a_trusted_proxy_gave_it_one_of_a_plain_form() {
        let kept = |through_trusted: bool, ids: &[&str]| {
            let ip = IpAddr::from([192, 0, 2, 1]);
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            }
            ClientAddress { ip, peer: ip, through_trusted }.request_id(&headers).map(str::to_owned)
        };
        let longest = "x".repeat(MAX_REQUEST_ID);
        for id in ["a", "0af7651916cd43dd", "Req_1.2-3", &longest] {
            assert_eq!(kept(true, &[id]).as_deref(), Some(id));
            assert_eq!(kept(false, &[id]), None);
        }
        for id in ["", "a b", "a,b", "a/b", "a=b", "a\"b", "\u{e9}", &format!("{longest}x")] {
            assert_eq!(kept(true, &[id]), None, "{id:?}");
        }
        assert_eq!(kept(true, &[]), None);
        assert_eq!(kept(true, &["a", "a"]), None);
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let rules = ClientRules { trusted_proxies: Vec::new(), ipv6_prefix: 64 };
        let key = |ip: &str| rules.limiter_key(ip.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(ClientRules { ipv6_prefix: 0, ..rules }.limiter_key("::1".parse().unwrap()).to_string(), "::");
    }
}
