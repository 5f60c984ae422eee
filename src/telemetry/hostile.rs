//! Characters that a terminal obeys, that reorder or hide text, or that some reader takes for the end of a line.

/// All of them are in the basic plane: four digits name them in JSON.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// The same JSON without any of them, but for line feeds between its members: it reads back as the same.
pub fn spelled_out(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if is_hostile(c) && c != '\n' {
            out += &format!("\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}
