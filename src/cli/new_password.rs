//! A new password from the person at the terminal, or from standard input. Never from an argument: those are seen by
//! everyone on the machine and kept in the shell's history.

use std::io::{self, BufRead, IsTerminal};

use zeroize::Zeroizing;

use super::CliError;
use crate::passwords::MAX_BYTES;

/// Asks twice at the terminal, or reads one line with `from_stdin`.
pub fn read(from_stdin: bool) -> Result<Zeroizing<String>, CliError> {
    if !from_stdin {
        return prompt();
    }
    let input = io::stdin();
    if input.is_terminal() {
        return Err(CliError::new(
            "this terminal would show the password; leave --password-stdin out to be asked for it",
        ));
    }
    first_line(input.lock())
}

fn prompt() -> Result<Zeroizing<String>, CliError> {
    let ask = |text| {
        rpassword::prompt_password(text).map(Zeroizing::new).map_err(|error| {
            CliError::new(match error.kind() {
                io::ErrorKind::UnexpectedEof => "no password was typed; nothing was changed",
                _ => {
                    "there is no terminal to ask for the password at; give it on standard input, with --password-stdin"
                }
            })
        })
    };
    let password = ask("New password: ")?;
    if password != ask("The same again: ")? {
        return Err(CliError::new("the two passwords differ; nothing was changed, try again"));
    }
    Ok(password)
}

/// The line without its end, and otherwise as it is: spaces count.
fn first_line(input: impl BufRead) -> Result<Zeroizing<String>, CliError> {
    // Room for a line just too long to be accepted, so that it is refused rather than cut; and for no reallocation, which
    // would leave a copy behind.
    let room = MAX_BYTES + 3;
    let mut line = Zeroizing::new(Vec::with_capacity(room));
    input.take(room as u64).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(CliError::new("no password came on standard input; send it as one line"));
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(CliError::new("the password on standard input is not UTF-8; send it as UTF-8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_line_is_taken_off() {
        for (input, password) in [
            ("secret\n", "secret"),
            ("secret", "secret"),
            ("secret\r\n", "secret"),
            (" se cret \t\nand more\n", " se cret \t"),
            ("\n", ""),
            ("secret\n\n", "secret"),
            ("sécret\r\r\n", "sécret\r"),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap().as_str(), password, "{input:?}");
        }
    }

    #[test]
    fn a_line_too_long_stays_too_long() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert!(first_line(endless).unwrap().len() > MAX_BYTES);
        let longest = format!("{}\r\n", "x".repeat(MAX_BYTES));
        assert_eq!(first_line(longest.as_bytes()).unwrap().len(), MAX_BYTES);
    }

    #[test]
    fn nothing_and_what_is_not_text_are_refused() {
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&b"\xff\n"[..]).unwrap_err().to_string().contains("UTF-8"));
    }
}
