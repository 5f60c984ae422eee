//! A golden table: kept as text, so that what changes in it can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

struct Column<'a> {
    names: String,
    outcomes: Vec<&'a str>,
}

/// A block under its heading: a row each with a name and an outcome for each of `columns`. Columns whose outcomes are the
/// same throughout are one.
pub fn block(heading: &str, columns: &[&str], rows: &[(&str, Vec<String>)]) -> String {
    let mut merged: Vec<Column> = Vec::new();
    for (at, name) in columns.iter().enumerate() {
        let outcomes: Vec<&str> = rows.iter().map(|(_, outcomes)| outcomes[at].as_str()).collect();
        match merged.iter_mut().find(|column| column.outcomes == outcomes) {
            Some(column) => column.names += &format!(" {name}"),
            None => merged.push(Column { names: (*name).to_owned(), outcomes }),
        }
    }
    let first = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let mut line = format!("{name:<first$}");
        for column in &merged {
            let width = column.outcomes.iter().map(|outcome| outcome.len()).chain([column.names.len()]).max();
            write!(line, "   {:<width$}", cell(column), width = width.unwrap_or_default()).unwrap();
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = format!("{heading}\n{}", line("", &|column| column.names.clone()));
    for (at, (name, _)) in rows.iter().enumerate() {
        text += &line(name, &|column| column.outcomes[at].to_owned());
    }
    text
}

/// What stands in one table and not in the other, block by block. Blocks are apart by an empty line.
pub fn difference(golden: &str, now: &str) -> String {
    let (golden, now) = (by_heading(golden), by_heading(now));
    let mut text = String::new();
    for heading in golden.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let [before, after] = [&golden, &now].map(|table| table.get(heading).cloned().unwrap_or_default());
        if before != after {
            writeln!(text, "\n  {heading}").unwrap();
            before.iter().filter(|line| !after.contains(line)).for_each(|line| writeln!(text, "- {line}").unwrap());
            after.iter().filter(|line| !before.contains(line)).for_each(|line| writeln!(text, "+ {line}").unwrap());
        }
    }
    text
}

fn by_heading(table: &str) -> BTreeMap<&str, Vec<&str>> {
    table.split("\n\n").filter_map(|block| Some((block.lines().next()?, block.lines().skip(1).collect()))).collect()
}
