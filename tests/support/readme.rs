//! The README's own blocks: what stands between the fences, by the name after the language (```` ```sh walk ````).

pub const README: &str = include_str!("../../README.md");

/// A fenced block. `name` is empty where there is none.
#[derive(Debug)]
pub struct Block {
    pub language: &'static str,
    pub name: &'static str,
    pub text: String,
}

pub fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let (language, name) = info.split_once(' ').unwrap_or((info, ""));
        let text = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        blocks.push(Block { language, name, text });
    }
    blocks
}

/// The block of this name.
pub fn block(name: &str) -> String {
    let mut named: Vec<Block> = blocks().into_iter().filter(|block| block.name == name).collect();
    assert_eq!(named.len(), 1, "the README has one block {name}");
    named.remove(0).text
}
