//! The scripts. Redis keeps them by their hash: the text is sent only to a server that does not know it.

use redis::Cmd;

use crate::gate::time::Timestamp;

/// Leads to the slot in which everything is; see `scripts/prelude.lua`.
pub(super) const META: &str = "{portcullis}:m";
pub(super) const FEED: &str = "{portcullis}:f";
pub(super) const SIGNERS: &str = "{portcullis}:k";
const USER: &[u8] = b"{portcullis}:u:";

pub(super) fn user_key(id: &[u8]) -> Vec<u8> {
    [USER, id].concat()
}

pub(super) struct Script {
    text: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident: $($before:literal)?,)*) => {
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("scripts/prelude.lua"),
                        $(include_str!($before),)?
                        include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

scripts! {
    schema: ,
    add_users: ,
    user_by_email: ,
    users: ,
    change_user: ,
    remove_user: ,
    session: ,
    sessions: ,
    open_session: ,
    advance_session: ,
    end_session: ,
    sweep: ,
    add_key: ,
    remove_key: ,
    take: "scripts/quota.lua",
    give_back: "scripts/quota.lua",
    feed: ,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    pub(super) fn call(&self) -> Call<'_> {
        Call { script: self, arguments: Vec::new() }
    }
}

/// A script with its arguments.
pub(super) struct Call<'a> {
    script: &'a Script,
    arguments: Vec<Vec<u8>>,
}

impl Call<'_> {
    pub(super) fn with(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.arguments.push(argument.as_ref().to_vec());
        self
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.with(exact(number).to_string())
    }

    pub(super) fn at(self, time: Timestamp) -> Self {
        self.number(time.millis())
    }

    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(META).arg(&self.arguments);
        command
    }
}

/// Scripts count with doubles, which hold every whole number up to 2^53. None of ours comes near; one that does stays where
/// it can still be told from its neighbours.
pub(super) fn exact(number: u64) -> u64 {
    number.min(1 << 52)
}
