//! The PROXY protocol, versions 1 and 2: what a load balancer says of a connection before the connection's own bytes. It is
//! read byte by byte where its length is not yet known, so that nothing of what follows is taken.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1, and the shortest that there is of either, less its end.
const V1_LONGEST: usize = 107;
const SHORTEST: usize = 12;
/// Version 2 says its length. What we have no use for (TLVs) is read and passed over up to here.
const V2_FIXED: usize = 16;
const V2_LONGEST: usize = 4096;

/// Who is at the other end. `None`: the balancer speaks for itself, as its health checks do.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(V2_FIXED, 0);
        stream.read_exact(&mut header[SHORTEST..]).await?;
        let length = V2_FIXED + usize::from(u16::from_be_bytes([header[V2_FIXED - 2], header[V2_FIXED - 1]]));
        if length > V2_LONGEST {
            return Err(malformed());
        }
        header.resize(length, 0);
        stream.read_exact(&mut header[V2_FIXED..]).await?;
    } else {
        while !header.ends_with(b"\r\n") {
            if header.len() == V1_LONGEST || !header.starts_with(b"PROXY ") {
                return Err(malformed());
            }
            header.push(stream.read_u8().await?);
        }
    }
    understand(&header)
}

fn understand(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some((ip.source_address, ip.source_port).into()),
            (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some((ip.source_address, ip.source_port).into()),
            (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), io::ErrorKind> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = bytes;
        let said = runtime.block_on(read(&mut stream)).map_err(|error| error.kind())?;
        Ok((said.map(|address| address.to_string()), stream.to_vec()))
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, addresses, b"GET"].concat()
    }

    #[test]
    fn both_versions_say_who_is_calling_and_take_no_byte_more() {
        let rest = b"GET".to_vec();
        let said = |address: &str| Ok((Some(address.to_owned()), rest.clone()));
        assert_eq!(of(b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\nGET"), said("192.0.2.1:5000"));
        assert_eq!(of(b"PROXY TCP6 2001:db8::1 ::1 5000 443\r\nGET"), said("[2001:db8::1]:5000"));
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb];
        assert_eq!(of(&v2(1, 0x11, &four)), said("192.0.2.1:5000"));
        let with_tlv = [&four[..], &[0x20, 0, 1, 7]].concat();
        assert_eq!(of(&v2(1, 0x11, &with_tlv)), said("192.0.2.1:5000"));
        for own in [b"PROXY UNKNOWN\r\nGET".to_vec(), v2(0, 0x11, &four), v2(0, 0, &[]), v2(1, 0, &[])] {
            assert_eq!(of(&own), Ok((None, rest.clone())), "{}", own.escape_ascii());
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in [
            b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 5000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1,10.0.0.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 999.0.2.1 10.0.0.1 5000 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\n".to_vec(),
            [&b"PROXY TCP4 "[..], &[b' '; 200]].concat(),
            v2(1, 0x11, &[1, 2, 3]),
            v2(7, 0x11, &[0; 12]),
            v2(1, 0x11, &[0; V2_LONGEST]),
            Vec::new(),
        ] {
            assert!(of(&bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(command in any::<u8>(), family in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = of(&v2(command, family, &rest));
            let _ = of(&[b"PROXY ", &rest[..]].concat());
            let _ = of(&rest);
        }
    }
}
