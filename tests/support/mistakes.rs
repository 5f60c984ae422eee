//! What `portcullis check` says of a file that is wrong.

use super::commands::Said;
use super::gateway::House;

impl House {
    /// Each as `LINE:COLUMN: message`, or the message alone where it is about the file as a whole.
    #[track_caller]
    pub fn mistakes(&self) -> Vec<String> {
        self.mistakes_in(&self.tried(&["check"], ""))
    }

    /// The same, of what another command said.
    #[track_caller]
    pub fn mistakes_in(&self, said: &Said) -> Vec<String> {
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        let file = self.file().display().to_string();
        let text = said.err.strip_prefix("portcullis: ").unwrap();
        let (first, list) = text.split_once(" correct what follows and try again\n").unwrap_or(("", text));
        let list: Vec<String> = list
            .lines()
            .map(|line| {
                line.strip_prefix(&file).and_then(|rest| rest.strip_prefix(':')).unwrap_or_else(|| panic!("{line}"))
            })
            .map(|line| line.trim_start().to_owned())
            .collect();
        let plural = if list.len() == 1 { "" } else { "s" };
        assert!(first.is_empty() || first == format!("{file} holds {} mistake{plural};", list.len()), "{first}");
        list
    }
}
