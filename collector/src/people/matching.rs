//! Who a row of the file is: by the roster's reference, else by account, else by mail address. Never by name.
//!
//! A reference that differs says that it is somebody else: an account or address of somebody who left may be given to
//! another person then, one of somebody who is here may not. Nobody comes back by an address alone: those of an office
//! outlive whoever holds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Listed;
use crate::actor::PersonId;
use crate::sheet::Faults;
use crate::store::people::Row;

/// Everybody who is known, by what they are found by.
struct Index<'a> {
    known: &'a BTreeMap<PersonId, Row>,
    by_reference: HashMap<&'a str, PersonId>,
    by_account: HashMap<&'a str, PersonId>,
    by_mail: HashMap<&'a str, PersonId>,
}

/// The known person of each row; `None` for somebody new.
pub(super) fn match_rows(
    known: &BTreeMap<PersonId, Row>,
    listed: &[Listed],
    faults: &mut Faults,
) -> Vec<Option<PersonId>> {
    let index = Index::of(known);
    let mut taken: HashMap<PersonId, u64> = HashMap::new();
    let mut matched = Vec::with_capacity(listed.len());
    for row in listed {
        let person = index.person(row, faults);
        if let Some(first) = person.and_then(|person| taken.insert(person, row.line)) {
            faults.add(row.line, "", format!("the person stands in line {first} already"));
        }
        matched.push(person);
    }
    index.check_addresses(listed, &matched, faults);
    matched
}

impl<'a> Index<'a> {
    fn of(known: &'a BTreeMap<PersonId, Row>) -> Self {
        let mut index =
            Self { known, by_reference: HashMap::new(), by_account: HashMap::new(), by_mail: HashMap::new() };
        // Whoever is here comes last, and so before those who left.
        let (here, left): (Vec<_>, Vec<_>) = known.iter().partition(|(_, row)| row.left_us.is_none());
        for (person, row) in left.into_iter().chain(here) {
            if !row.reference.is_empty() {
                index.by_reference.insert(&row.reference, *person);
            }
            if !row.mail.is_empty() && row.left_us.is_none() {
                index.by_mail.insert(&row.mail, *person);
            }
            index.by_account.extend(row.accounts.iter().map(|account| (account.as_str(), *person)));
        }
        index
    }

    fn person(&self, row: &Listed, faults: &mut Faults) -> Option<PersonId> {
        let referred = self.by_reference.get(row.reference.as_str()).copied();
        let accounts = row.accounts.iter().filter_map(|account| self.by_account.get(account.as_str()).copied());
        let accounts = self.theirs(row, accounts, referred, "account", faults);
        if accounts.len() > 1 {
            faults.add(row.line, "account", "the accounts belong to different people; split the row");
        }
        if referred.is_some() {
            return referred;
        }
        let mail = self.by_mail.get(row.mail.as_str()).copied();
        let mail = self.theirs(row, mail.into_iter(), None, "mail", faults);
        let by_account = accounts.first().copied();
        if let (Some(account), Some(mail)) = (by_account, mail.first())
            && account != *mail
        {
            faults.add(row.line, "mail", "account and address belong to different people; split the row");
        }
        by_account.or_else(|| mail.first().copied())
    }

    /// That a row with a reference gives nobody the address of somebody who is here and keeps it: what they are sent would
    /// reach another.
    fn check_addresses(&self, listed: &[Listed], matched: &[Option<PersonId>], faults: &mut Faults) {
        for (row, person) in listed.iter().zip(matched).filter(|(row, _)| !row.reference.is_empty()) {
            let owner = self.by_mail.get(row.mail.as_str()).copied().filter(|owner| Some(*owner) != *person);
            // Whoever stands in the file with an address has another from now on: two rows with one are refused.
            let moves = |owner: PersonId| {
                let mut theirs = listed.iter().zip(matched).filter(|(_, person)| **person == Some(owner));
                theirs.any(|(row, _)| !row.mail.is_empty())
            };
            if owner.is_some_and(|owner| !moves(owner)) {
                faults.add(row.line, "mail", "the address belongs to somebody else, who keeps it");
            }
        }
    }

    /// Those of `found` whom the row may mean.
    fn theirs(
        &self,
        row: &Listed,
        found: impl Iterator<Item = PersonId>,
        referred: Option<PersonId>,
        column: &'static str,
        faults: &mut Faults,
    ) -> BTreeSet<PersonId> {
        let mut theirs = BTreeSet::new();
        for person in found {
            let Some(known) = self.known.get(&person) else { continue };
            let is_other = referred.map_or_else(
                || !row.reference.is_empty() && !known.reference.is_empty() && row.reference != known.reference,
                |referred| referred != person,
            );
            match (is_other, known.left_us) {
                (false, _) => drop(theirs.insert(person)),
                (true, Some(_)) => {}
                (true, None) => {
                    faults.add(row.line, column, "it belongs to somebody else, whose reference is another or none");
                }
            }
        }
        theirs
    }
}
