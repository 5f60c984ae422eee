//! Cookies as a browser reads and keeps them.

use serde_json::Value;

use super::Answer;

/// A `Set-Cookie` field, taken apart.
#[derive(Debug)]
pub struct SetCookie {
    pub name: String,
    pub value: String,
    /// In the order of the alphabet.
    pub attributes: Vec<String>,
}

/// What a browser holds after a login.
pub struct Browser {
    pub tokens: Value,
    /// `name=value`, as the `Cookie` field says it.
    pub cookie: String,
}

impl SetCookie {
    pub fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

impl Answer {
    pub fn cookies(&self) -> Vec<SetCookie> {
        let fields = self.headers.get_all("set-cookie").iter().map(|field| field.to_str().unwrap());
        fields
            .map(|field| {
                let (pair, attributes) = field.split_once("; ").unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                let mut attributes: Vec<String> = attributes.split("; ").map(str::to_owned).collect();
                attributes.sort();
                SetCookie { name: name.to_owned(), value: value.to_owned(), attributes }
            })
            .collect()
    }

    /// The one cookie that it sets.
    #[track_caller]
    pub fn the_cookie(&self) -> SetCookie {
        let mut cookies = self.cookies();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        cookies.remove(0)
    }
}
