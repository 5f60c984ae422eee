//! Writing all users as the JSON lines that an import reads. The lines hold password hashes: whoever has them can try
//! passwords against them at leisure.

use std::io::Write;

use super::line::ExportedUser;
use super::{AccountError, Accounts};
use crate::gate::email::Email;

const PAGE: usize = 1000;

#[derive(Debug, Default)]
pub struct Exported {
    pub written: u64,
    /// Users who were left out, because what is stored as their hash is not text.
    pub left_out: Vec<Email>,
}

impl Accounts {
    pub async fn export(&self, mut out: impl Write) -> Result<Exported, AccountError> {
        let mut exported = Exported::default();
        let mut after = None;
        loop {
            let users = self.store.users(after.as_ref(), PAGE).await?;
            let Some(last) = users.last() else { break };
            after = Some(last.email.clone());
            for user in &users {
                let Some(line) = ExportedUser::of(user) else {
                    exported.left_out.push(user.email.clone());
                    continue;
                };
                serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
                exported.written += 1;
            }
        }
        out.flush()?;
        Ok(exported)
    }
}
