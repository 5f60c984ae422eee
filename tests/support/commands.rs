//! A command of ours, run to its end, whichever way it ends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::BINARY;
use super::gateway::House;

/// What it wrote, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn worked(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self.out
    }

    /// With 1, and one line that says why.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "{self:?}");
        let line = self.err.strip_prefix("portcullis: ").and_then(|rest| rest.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{self:?}"));
        assert!(!line.is_empty() && !line.contains('\n'), "{self:?}");
        line.to_owned()
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.worked()).unwrap()
    }
}

/// As typed. It may end before it has read its input.
pub fn say(command: &mut Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_bytes().to_vec());
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// In `folder`, without a file named.
pub fn say_in(folder: &Path, words: &[&str]) -> Said {
    say(Command::new(BINARY).args(words).current_dir(folder), "")
}

impl House {
    /// On this house's file.
    pub fn tried(&self, words: &[&str], input: &str) -> Said {
        let env = self.env.iter().map(|(name, value)| (name, value));
        say(Command::new(BINARY).args(words).arg("-c").arg(self.file()).envs(env), input)
    }
}
