//! What whoever imports is told: people by name, what becomes of each, and how many.
//!
//! Who is marked as vulnerable is told in numbers alone: a line is printed for what else differs, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::privileged::Asked;
use crate::actor::Role;
use crate::store::people::Row;

/// How many rows of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// People who were not known.
    pub added: usize,
    /// People of whom something differs; those who come back among them.
    pub changed: usize,
    /// People who stay as they are.
    pub same: usize,
    /// Known people who are not in the file, and stay too.
    pub absent: usize,
    /// Known people who are not in the file, and leave.
    pub left: usize,
    /// Pupils who are marked as vulnerable now and were not.
    pub marked: usize,
    /// Pupils who were marked as vulnerable and are no more.
    pub unmarked: usize,
}

/// What an import changes. Holds names: show it to whoever imports, log only [`Imported`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many.
    pub counts: Imported,
    /// One line of text a person who is added or leaves, or of whom something differs that may be shown.
    pub lines: Vec<String>,
    /// How many hold each role before and after, where that differs.
    pub roles: BTreeMap<Role, (usize, usize)>,
    /// Privileged roles that stay as they were until a request is approved.
    pub asked: Vec<Asked>,
}

/// Gathers what is told.
#[derive(Default)]
pub(super) struct Teller(Changes);

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({:?}, <redacted>)", self.counts)
    }
}

impl Teller {
    /// Somebody who is not in the file, and stays.
    pub(super) fn stays(&mut self, row: &Row) {
        self.0.counts.absent += 1;
        count_roles(&mut self.0.roles, &row.roles, &row.roles);
    }

    /// Roles that are to be asked for.
    pub(super) fn ask(&mut self, asked: Vec<Asked>) {
        self.0.asked.extend(asked);
    }

    /// One person.
    pub(super) fn tell(&mut self, before: Option<&Row>, after: &Row) {
        let Self(changes) = self;
        let counts = &mut changes.counts;
        let was_marked = before.is_some_and(|row| row.vulnerable);
        counts.marked += usize::from(after.vulnerable && !was_marked);
        counts.unmarked += usize::from(was_marked && !after.vulnerable);
        match before {
            None => {
                counts.added += 1;
                changes.lines.push(format!("+ {}", describe(after)));
            }
            Some(before) if before == after => counts.same += 1,
            Some(before) if before.left_us.is_none() && after.left_us.is_some() => {
                counts.left += 1;
                changes.lines.push(format!("- {} leaves", name(before)));
            }
            Some(before) => {
                counts.changed += 1;
                let differences = differences(before, after);
                if !differences.is_empty() {
                    changes.lines.push(format!("~ {}: {}", name(before), differences.join("; ")));
                }
            }
        }
        let none = BTreeSet::new();
        count_roles(&mut changes.roles, before.map_or(&none, |row| &row.roles), &after.roles);
    }

    pub(super) fn into_changes(self) -> Changes {
        let mut changes = self.0;
        changes.roles.retain(|_, (before, after)| before != after);
        changes
    }
}

fn count_roles(roles: &mut BTreeMap<Role, (usize, usize)>, before: &BTreeSet<Role>, after: &BTreeSet<Role>) {
    for role in before {
        roles.entry(*role).or_default().0 += 1;
    }
    for role in after {
        roles.entry(*role).or_default().1 += 1;
    }
}

/// Name and accounts.
fn name(row: &Row) -> String {
    let accounts: Vec<_> = row.accounts.iter().map(String::as_str).collect();
    format!("{} [{}]", row.name, accounts.join(";"))
}

fn describe(row: &Row) -> String {
    let year = if row.year.is_empty() { String::new() } else { format!("year {}", row.year) };
    let fields = [row.kind.as_str(), &role_words(&row.roles), &row.class, &row.band, &year, &row.mail];
    let fields: Vec<_> = fields.into_iter().filter(|field| !field.is_empty()).collect();
    format!("{} {}", name(row), fields.join(", "))
}

fn differences(before: &Row, after: &Row) -> Vec<String> {
    let fields: [(&str, &str, &str); 8] = [
        ("name", &before.name, &after.name),
        ("kind", before.kind.as_str(), after.kind.as_str()),
        ("class", &before.class, &after.class),
        ("band", &before.band, &after.band),
        ("year", &before.year, &after.year),
        ("gender", &before.gender, &after.gender),
        ("mail", &before.mail, &after.mail),
        ("reference", &before.reference, &after.reference),
    ];
    let changed = fields.into_iter().filter(|(_, before, after)| before != after);
    let mut told: Vec<_> = changed.map(|(field, before, after)| format!("{field} {before:?} -> {after:?}")).collect();
    if before.left_us.is_some() && after.left_us.is_none() {
        told.insert(0, "comes back".to_owned());
    }
    let words = |roles: &BTreeSet<Role>| roles.iter().map(|role| role.as_str().to_owned()).collect();
    told.extend(set_differences("roles", &words(&before.roles), &words(&after.roles)));
    told.extend(set_differences("accounts", &before.accounts, &after.accounts));
    told.extend(set_differences("teaches", &before.teaches, &after.teaches));
    told
}

fn set_differences(name: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Option<String> {
    let gained = after.difference(before).map(|word| format!("+{word}"));
    let lost = before.difference(after).map(|word| format!("-{word}"));
    let words: Vec<_> = gained.chain(lost).collect();
    (!words.is_empty()).then(|| format!("{name} {}", words.join(" ")))
}

fn role_words(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(";")
}
