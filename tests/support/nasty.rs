//! Paths that upstreams read in different ways, for property tests and for real servers.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const NAMES: &str =
    "public admin public/admin admin/x a/b a b c @ k f A Admin é x x.y auth/me auth .well-known/jwks.json";

const TRICKS: &str = r". .. ... %2e %2E%2e .%2e %252e %252e%252e ..;x ..%20 ..%3b / // %2f \ %5c %252f %255c ; ;x %3b %253B ? # %3f
    %23 %2523 %20 %2520 %25 %2525 %61 %40 %2561dmin %41 %C3%A9 %c3%89 %25c3%25a9 %EF%AC%80 %252%EF%AC%80 ſ %E2%84%AA + ~ , % %00
    %250a %C0%AE %ff";

/// Few tricks in most paths: a path of nothing else is refused, and proves nothing.
pub fn nasty_path() -> impl Strategy<Value = String> {
    let names = prop::sample::select(NAMES.split_whitespace().chain([""]).collect::<Vec<_>>());
    let tricks = prop::sample::select(TRICKS.split_whitespace().chain([" ", ".. ", " ..", ". ."]).collect::<Vec<_>>());
    let glue = prop::sample::select(vec!["/", "/", "/", ""]);
    let pieces = prop::collection::vec((glue, prop_oneof![5 => names, 3 => tricks]), 0..7);
    (pieces, prop::bool::weighted(0.95)).prop_map(|(pieces, slash)| {
        let text: String = pieces.iter().flat_map(|(glue, piece)| [*glue, *piece]).collect();
        if slash && !text.starts_with('/') { format!("/{text}") } else { text }
    })
}

/// A fixed list for real servers: each way up, each slash and each disguise between `/public` and a page below `/admin`.
/// Without what cannot stand in a request line.
pub fn climbs() -> Vec<String> {
    const UPS: &str =
        "..  %2e%2e .%2E %252e%252e ..; ..;x=1 ..%3bx ..%20 ..+ ... .... ..%23 ..%3f ..%2e %c0%ae%c0%ae %u002e%u002e
        %EF%BC%8E%EF%BC%8E x/../.. ./.. ..%2f.. c/..%2f..";
    const SLASHES: &str = r"/ // /// %2f %2F %5c \ %252f %255c /./ /;/ /;x/ /%20/ %c0%af %EF%BC%8F";
    const DISGUISES: &str = r"/%61dmin/secret.txt /ADMIN/secret.txt /Admin/Secret.TXT /admin%2fsecret.txt /admin%5csecret.txt
        /admin\secret.txt //admin/secret.txt ///admin//secret.txt //x/admin/secret.txt /\admin/secret.txt /\x/admin/secret.txt
        /./admin/secret.txt /%2e/admin/secret.txt /admin;x=1/secret.txt /;x/admin/secret.txt /admin/secret.txt; /admin/secret.txt;x
        /admin/secret.txt%20 /admin/secret.txt. /admin/secret.txt/ /admin/secret.txt/x /admin/secret.txt%00 /admin/secret.txt%00.css
        /admin/secret.txt%23 /admin/secret.txt%3f /admin/secret.txt#x /admin/secret.txt%0a /admin./secret.txt /admin%20/secret.txt
        /%2561dmin/secret.txt /admin%252fsecret.txt /%2fadmin/secret.txt /%2f%2fadmin/secret.txt /%5cadmin/secret.txt
        /%EF%BD%81dmin/secret.txt /adm%69n/secret%2Etxt /admin /admin/ /admin// /admin/. /admin/.. /admin/..; /admin;/ /admin%2f
        /public/../admin /public/../admin/ /public/admin/../../admin/ /public/. /public/.. /public/..;/ /public/../ /public%2f..
        /public/a.txt/../../admin/secret.txt /public/a.txt%2f..%2f..%2fadmin/secret.txt /public/%zz/../../admin/secret.txt
        /../admin/secret.txt /../../admin/secret.txt /public/../../admin/secret.txt /x/../admin/secret.txt /%2e%2e/admin/secret.txt
        /.;/admin/secret.txt /%3b/admin/secret.txt /public%3b/../admin/secret.txt /public/;/../admin/secret.txt /public;/../admin/
        /public/%3f/../../admin/secret.txt /public/%23/../../admin/secret.txt /public?/../admin/secret.txt /?/admin/secret.txt
        /public/a.txt?/../../admin/secret.txt /public/a.txt%3f/../../admin/secret.txt /public/a.txt /public/./a.txt /public//a.txt
        /public/%61.txt /public/c/../a.txt /public/a.txt;x /public/c/..;/a.txt /public/c%2f..%2fa.txt /public/x%2Ey /public/c/
        /admin/../public/a.txt /admin/%2e%2e/public/a.txt /admin/..%2fpublic/a.txt /admin/..;/public/a.txt /top.txt /%74op.txt
        /public/../top.txt /public/..%2ftop.txt //top.txt /top.txt;x";
    let word = |text: &'static str| text.split_whitespace().map(str::to_owned);
    let mut climbs: Vec<String> = word(DISGUISES).collect();
    for up in word(UPS) {
        climbs.extend(word(SLASHES).map(|slash| format!("/public{slash}{up}/admin/secret.txt")));
        climbs.extend(word(SLASHES).map(|slash| format!("/public/{up}{slash}admin/secret.txt")));
    }
    climbs
}

/// The same some hundred generated paths every time.
pub fn some_nasty_paths(count: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let path = || nasty_path().new_tree(&mut runner).expect("a path").current();
    let paths = std::iter::repeat_with(path);
    paths.filter(|path| path.starts_with('/') && path.is_ascii() && !path.contains(' ')).take(count).collect()
}
