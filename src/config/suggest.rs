//! "Did you mean": the known word nearest to the one that was written. It says known words only, never what was written.

/// `did you mean "listen"?`, if one of the words is near enough.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|word| format!("did you mean \"{word}\"?"))
}

/// The same, or else the whole list.
pub fn one_of<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    did_you_mean(written, known.clone()).unwrap_or_else(|| {
        let words: Vec<String> = known.into_iter().map(|word| format!("\"{word}\"")).collect();
        format!("one of {}", words.join(", "))
    })
}

fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace(['-', ' '], "_");
    let written = plain(written);
    let near = |word: &str| {
        let distance = strsim::damerau_levenshtein(&written, &plain(word));
        // A third of the word may be wrong: "prot" is "port", "x" is nothing.
        (distance <= (word.len() / 3).max(1) && distance < word.len()).then_some(distance)
    };
    known.into_iter().filter_map(|word| Some((near(word)?, word))).min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let keys = ["listen", "admin_listen", "threads"];
        assert_eq!(did_you_mean("liste", keys).unwrap(), "did you mean \"listen\"?");
        assert_eq!(did_you_mean("Admin-Listen", keys).unwrap(), "did you mean \"admin_listen\"?");
        assert_eq!(did_you_mean("colour", keys), None);
        assert_eq!(one_of("colour", keys), "one of \"listen\", \"admin_listen\", \"threads\"");
    }
}
