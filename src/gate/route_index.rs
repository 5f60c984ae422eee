//! The routes of one host by their path: a look-up costs the same among ten routes and ten thousand. It knows paths in one
//! form only, folded and without a final slash; whether a route takes the path as written is for its caller to say.

use std::borrow::Cow;
use std::collections::HashMap;

use super::path::fold;
use super::route::PathPattern;

/// Routes by their place in the table.
#[derive(Clone, Debug, Default)]
pub struct RouteIndex {
    exact: Slots,
    /// By what stands before the star.
    prefix: Slots,
    /// The most slashes in a key of `prefix`.
    deepest: usize,
}

/// Routes that share a path, in order of precedence.
type Slots = HashMap<Box<str>, Vec<usize>, ahash::RandomState>;

/// The form in which paths are keys.
pub fn key(path: &str) -> Cow<'_, str> {
    fold(path.trim_end_matches('/'))
}

impl RouteIndex {
    /// The routes already there under the same key.
    pub fn alike(&mut self, pattern: &PathPattern) -> &mut Vec<usize> {
        let key = key(pattern.path()).into_owned().into_boxed_str();
        match pattern {
            PathPattern::Exact(_) => self.exact.entry(key).or_default(),
            PathPattern::Prefix(_) => {
                self.deepest = self.deepest.max(depth(&key));
                self.prefix.entry(key).or_default()
            }
        }
    }

    /// The first that `takes` the request, the most specific first.
    pub fn first(&self, key: &str, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let among = |slots: &Slots, key: &str| slots.get(key)?.iter().copied().find(|route| takes(*route));
        if let Some(route) = among(&self.exact, key) {
            return Some(route);
        }
        if self.prefix.is_empty() {
            return None;
        }
        // No deeper than any prefix is: a long path of many slashes costs no more than a short one.
        let mut above = key.match_indices('/').nth(self.deepest).map_or(key, |(end, _)| &key[..end]);
        loop {
            if let Some(route) = among(&self.prefix, above) {
                return Some(route);
            }
            above = &above[..above.rfind('/')?];
        }
    }
}

fn depth(key: &str) -> usize {
    key.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(patterns: &[&str]) -> RouteIndex {
        let mut index = RouteIndex::default();
        for (place, pattern) in patterns.iter().enumerate() {
            index.alike(&PathPattern::parse(pattern).unwrap()).push(place);
        }
        index
    }

    #[test]
    fn the_longest_comes_first_and_exact_before_prefix() {
        let index = index(&["/*", "/a/*", "/a/b/c/*", "/a/b", "/A/b/*"]);
        for (path, found) in
            [("", 0), ("/x/y/z/w", 0), ("/a", 1), ("/ab", 0), ("/a/b", 3), ("/a/b/x", 4), ("/a/b/c/d/e", 2)]
        {
            assert_eq!(index.first(path, |_| true), Some(found), "{path}");
        }
    }

    #[test]
    fn what_does_not_take_the_request_makes_room_for_the_next() {
        let index = index(&["/*", "/a/*", "/a/b"]);
        assert_eq!(index.first("/a/b", |route| route != 2), Some(1));
        assert_eq!(index.first("/a/b", |route| route == 0), Some(0));
        assert_eq!(index.first("/a/b", |_| false), None);
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(index(&[]).first("/a", |_| true), None);
        assert_eq!(index(&["/a/*", "/b"]).first("", |_| true), None);
    }
}
