//! Values: inline tables on one line, lists filled.

use toml_edit::{Array, InlineTable, Value};

use super::{WIDTH, comments, dotted};
use crate::fold::fold;

/// Columns that what stands inside a list is moved in.
const INDENT: usize = 2;
/// Lists whose order means nothing.
const SORTED: &[&str] = &["phrases", "hosts", "any", "domain", "substring", "media"];
/// Lists with an entry a line, if there are several.
const ONE_A_LINE: &[&str] = &["sources", "must_match", "must_not_match", "todo_match"];

/// Writes the value of `key` behind what stands on the last line of `out`; its further lines are moved in by `indent`.
pub(super) fn write(out: &mut String, key: &str, value: &Value, indent: usize) {
    if has_comment(value) {
        out.push_str(value.clone().decorated("", "").to_string().as_str());
        return;
    }
    let line = on_one_line(key, value);
    let fits = column(out) + line.chars().count() <= WIDTH && !line.contains('\n');
    match value {
        Value::Array(array) if !array.is_empty() && (!fits || (array.len() > 1 && ONE_A_LINE.contains(&key))) => {
            list(out, key, array, indent)
        }
        Value::InlineTable(table) if !fits => inline_table(out, table, indent),
        Value::Array(_) | Value::InlineTable(_) => out.push_str(&line),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            out.push_str(&line);
        }
    }
}

fn list(out: &mut String, key: &str, array: &Array, indent: usize) {
    let inner = indent + INDENT;
    let margin = " ".repeat(inner);
    out.push('[');
    for (at, entry) in entries(key, array).into_iter().enumerate() {
        let line = on_one_line("", entry);
        let fits = column(out) + line.chars().count() + " ,".len() <= WIDTH;
        if at == 0 || !fits || ONE_A_LINE.contains(&key) || line.contains('\n') {
            out.push('\n');
            out.push_str(&margin);
        } else {
            out.push(' ');
        }
        write(out, "", entry, inner);
        out.push(',');
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(']');
}

fn inline_table(out: &mut String, table: &InlineTable, indent: usize) {
    out.push('{');
    for (at, (path, value)) in table.get_values().into_iter().enumerate() {
        out.push_str(if at == 0 { " " } else { ", " });
        out.push_str(&dotted(&path));
        out.push_str(" = ");
        write(out, path.last().map_or("", |key| key.get()), value, indent);
    }
    out.push_str(" }");
}

fn on_one_line(key: &str, value: &Value) -> String {
    match value {
        Value::Array(array) => {
            let entries: Vec<String> = entries(key, array).into_iter().map(|entry| on_one_line("", entry)).collect();
            format!("[{}]", entries.join(", "))
        }
        Value::InlineTable(table) if table.is_empty() => "{}".to_owned(),
        Value::InlineTable(table) => {
            let pair = |(path, value): (Vec<&toml_edit::Key>, &Value)| {
                format!("{} = {}", dotted(&path), on_one_line(path.last().map_or("", |key| key.get()), value))
            };
            let pairs: Vec<String> = table.get_values().into_iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::String(text) => text.display_repr().into_owned(),
        Value::Integer(number) => number.display_repr().into_owned(),
        Value::Float(number) => number.display_repr().into_owned(),
        Value::Boolean(flag) => flag.display_repr().into_owned(),
        Value::Datetime(time) => time.display_repr().into_owned(),
    }
}

/// The entries of a list as they are written: plain phrases and hosts sorted between those that stand for others, so that
/// of two which fold alike the first stays the first.
fn entries<'a>(key: &str, array: &'a Array) -> Vec<&'a Value> {
    let mut entries: Vec<&Value> = array.iter().collect();
    if SORTED.contains(&key) {
        let mut keyed: Vec<(Option<String>, &Value)> = entries.iter().map(|entry| (plain(entry), *entry)).collect();
        keyed
            .chunk_by_mut(|left, right| left.0.is_some() && right.0.is_some())
            .for_each(|run| run.sort_by(|left, right| left.0.cmp(&right.0)));
        entries = keyed.into_iter().map(|(_, entry)| entry).collect();
    }
    entries
}

/// The folded words of a phrase that fills in no list.
fn plain(entry: &Value) -> Option<String> {
    let text = match entry {
        Value::String(text) => text.value().as_str(),
        Value::InlineTable(table) => table.get("phrase").and_then(Value::as_str)?,
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) => return None,
    };
    if text.contains('{') {
        return None;
    }
    Some(fold(text).words().collect::<Vec<_>>().join(" "))
}

fn has_comment(value: &Value) -> bool {
    let holds = |raw: Option<&toml_edit::RawString>| !comments(raw).is_empty();
    let around = |value: &Value| holds(value.decor().prefix()) || holds(value.decor().suffix()) || has_comment(value);
    match value {
        Value::Array(array) => holds(Some(array.trailing())) || array.iter().any(around),
        Value::InlineTable(table) => {
            let key = |path: &[&toml_edit::Key]| {
                path.iter().any(|key| holds(key.leaf_decor().prefix()) || holds(key.leaf_decor().suffix()))
            };
            holds(Some(table.trailing())) || table.get_values().iter().any(|(path, value)| key(path) || around(value))
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

/// Characters on the last line.
fn column(out: &str) -> usize {
    out.rsplit('\n').next().map_or(0, |line| line.chars().count())
}
