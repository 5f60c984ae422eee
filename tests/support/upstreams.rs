//! Upstreams, as far as they rewrite paths before they use them. Written apart from the gateway's own readings, on purpose
//! naively. Those whose name is a server's are held against that server by `real_servers.rs`.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Decode,
    DecodeButSlashes,
    DecodeButSlash,
    DecodeButBackslash,
    DecodeUnreserved,
    DecodeDots,
    DecodeSlashes,
    Backslashes,
    Merge,
    Dots,
    CleanDots,
    DotsAndEscapedDots,
    Params,
    Tails,
    CutQuery,
    CutFragment,
    Authority,
    Lower,
    Upper,
    FinalSlash,
    EscapedFinalSlash,
    LastParams,
    LastTails,
}

pub const OPS: [Op; 23] = [
    Op::Decode,
    Op::DecodeButSlashes,
    Op::DecodeButSlash,
    Op::DecodeButBackslash,
    Op::DecodeUnreserved,
    Op::DecodeDots,
    Op::DecodeSlashes,
    Op::Backslashes,
    Op::Merge,
    Op::Dots,
    Op::CleanDots,
    Op::DotsAndEscapedDots,
    Op::Params,
    Op::Tails,
    Op::CutQuery,
    Op::CutFragment,
    Op::Authority,
    Op::Lower,
    Op::Upper,
    Op::FinalSlash,
    Op::EscapedFinalSlash,
    Op::LastParams,
    Op::LastTails,
];

pub const UPSTREAMS: [(&str, &[Op]); 28] = [
    ("takes it as it is", &[]),
    ("nginx", &[Op::CutFragment, Op::Decode, Op::Merge, Op::Dots]),
    ("Apache, CGI", &[Op::Decode, Op::Merge, Op::Dots]),
    ("Apache, CGI, slashes kept", &[Op::DecodeUnreserved, Op::Merge, Op::Dots, Op::DecodeButSlash]),
    ("lighttpd", &[Op::CutFragment, Op::Decode, Op::Merge, Op::Dots]),
    ("Tomcat", &[Op::Params, Op::Decode, Op::Merge, Op::CleanDots]),
    ("Tomcat, lenient", &[Op::Params, Op::Decode, Op::Backslashes, Op::Merge, Op::CleanDots]),
    ("Python's http.server", &[Op::CutFragment, Op::EscapedFinalSlash, Op::Decode, Op::Merge, Op::CleanDots]),
    ("PHP", &[Op::CutFragment, Op::Decode, Op::Merge, Op::Dots]),
    ("Node with new URL()", &[Op::Backslashes, Op::Authority, Op::CutFragment, Op::DotsAndEscapedDots]),
    (
        "Node with new URL(), decoded",
        &[Op::Backslashes, Op::Authority, Op::CutFragment, Op::DotsAndEscapedDots, Op::Decode],
    ),
    ("Node with url.parse()", &[Op::Backslashes, Op::CutFragment]),
    ("WSGI", &[Op::Decode]),
    ("Rails", &[Op::Merge, Op::FinalSlash, Op::Decode]),
    ("ASP.NET", &[Op::DecodeButSlash, Op::Dots, Op::Lower, Op::FinalSlash]),
    ("Jetty", &[Op::Decode, Op::Params, Op::Dots]),
    ("Spring on Tomcat, without merging", &[Op::Params, Op::Decode, Op::Dots]),
    ("Spring, passing slashes on", &[Op::Params, Op::DecodeButSlash, Op::Dots, Op::FinalSlash]),
    ("IIS", &[Op::Decode, Op::Backslashes, Op::Merge, Op::Dots, Op::Tails, Op::Lower]),
    ("IIS, tails first", &[Op::Decode, Op::Backslashes, Op::Tails, Op::Dots, Op::Lower, Op::FinalSlash]),
    ("cleans like a file system", &[Op::Decode, Op::Merge, Op::CleanDots]),
    ("Express", &[Op::Decode, Op::Lower, Op::FinalSlash]),
    ("decodes a URL as a whole", &[Op::Decode, Op::CutFragment, Op::CutQuery, Op::Dots]),
    ("Windows files", &[Op::Decode, Op::Backslashes, Op::Tails, Op::CleanDots, Op::Upper]),
    ("Envoy", &[Op::DecodeSlashes, Op::Backslashes, Op::Merge, Op::DecodeUnreserved, Op::Dots]),
    ("Windows files, by their last name", &[Op::Decode, Op::Backslashes, Op::LastTails, Op::CleanDots, Op::Upper]),
    ("drops a session at the end", &[Op::LastParams, Op::Decode, Op::Merge, Op::Dots]),
    ("decodes twice", &[Op::Decode, Op::Dots, Op::Decode, Op::Merge, Op::Dots, Op::CutQuery]),
];

/// `None`: an upstream that does this cannot read the path and refuses it.
pub fn rewritten(ops: &[Op], path: &str) -> Option<String> {
    ops.iter().try_fold(path.to_owned(), |path, op| apply(*op, &path))
}

fn apply(op: Op, path: &str) -> Option<String> {
    let each = |of: &dyn Fn(&str) -> String| path.split('/').map(of).collect::<Vec<_>>().join("/");
    Some(match op {
        Op::Decode => return decode(path, |_| true),
        Op::DecodeButSlashes => return decode(path, |byte| byte != b'/' && byte != b'\\'),
        Op::DecodeButSlash => return decode(path, |byte| byte != b'/'),
        Op::DecodeButBackslash => return decode(path, |byte| byte != b'\\'),
        Op::DecodeUnreserved => return decode(path, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
        Op::DecodeDots => return decode(path, |byte| byte == b'.'),
        Op::DecodeSlashes => return decode(path, |byte| byte == b'/' || byte == b'\\'),
        Op::Backslashes => path.replace('\\', "/"),
        Op::Merge => {
            let mut merged = path.to_owned();
            while merged.contains("//") {
                merged = merged.replace("//", "/");
            }
            merged
        }
        Op::Dots => dots(path, true),
        Op::CleanDots => dots(path, false),
        Op::DotsAndEscapedDots => dots(
            &each(&|segment| match segment.to_lowercase().replace("%2e", ".") {
                dots if dots == "." || dots == ".." => dots,
                _ => segment.to_owned(),
            }),
            true,
        ),
        Op::Params => each(&|segment| segment.split(';').next().unwrap_or_default().to_owned()),
        Op::Tails => each(&|segment| match segment.trim_end_matches(' ') {
            dots @ ("." | "..") => dots.to_owned(),
            other => other.trim_end_matches(['.', ' ']).to_owned(),
        }),
        Op::CutQuery => path.split('?').next()?.to_owned(),
        Op::CutFragment => path.split('#').next()?.to_owned(),
        Op::Authority => match path.strip_prefix("//") {
            Some(rest) => rest.trim_start_matches('/').split_once('/').map_or("/".to_owned(), |(_, p)| format!("/{p}")),
            None => path.to_owned(),
        },
        Op::Lower => path.to_lowercase(),
        Op::Upper => path.to_uppercase(),
        Op::FinalSlash => match path.strip_suffix('/') {
            Some("") | None => path.to_owned(),
            Some(rest) => rest.to_owned(),
        },
        // Whether there is a final slash is asked before the path is decoded.
        Op::EscapedFinalSlash if path.to_lowercase().ends_with("%2f") => {
            let mut rest = path;
            while let Some(shorter) = ["/", "%2f", "%2F"].iter().find_map(|slash| rest.strip_suffix(slash)) {
                rest = shorter;
            }
            if rest.is_empty() { "/".to_owned() } else { rest.to_owned() }
        }
        Op::EscapedFinalSlash => path.to_owned(),
        // Of the whole path, not of each segment.
        Op::LastParams => path.rsplit_once(';').filter(|(_, p)| !p.contains('/')).map_or(path, |(p, _)| p).to_owned(),
        Op::LastTails => path.trim_end_matches(['.', ' ']).to_owned(),
    })
}

/// `None`: not UTF-8 any more.
pub fn decode(path: &str, of: impl Fn(u8) -> bool) -> Option<String> {
    let mut bytes = path.as_bytes();
    let mut out = Vec::new();
    while let [byte, rest @ ..] = bytes {
        let hex = |at: usize| rest.get(at).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) if of((high * 16 + low) as u8) => {
                out.push((high * 16 + low) as u8);
                bytes = &rest[2..];
            }
            _ => {
                out.push(*byte);
                bytes = rest;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn dots(path: &str, keep_slash: bool) -> String {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if !segments.iter().any(|segment| *segment == "." || *segment == "..") {
        return path.to_owned();
    }
    let mut kept = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
        if keep_slash && at + 1 == segments.len() && (*segment == "." || *segment == "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}
