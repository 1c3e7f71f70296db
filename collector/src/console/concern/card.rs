//! The card of next steps: the guidance of the rules, the school's own matrix, and whom to ring.

use lapwing_rules::{Category, Level};

use crate::local_help::{Contacts, Incident, Matrix, Who};

/// What a school does, and whom it can ring.
pub(super) struct Card {
    pub(super) incidents: Vec<Incident>,
    pub(super) numbers: Vec<Number>,
    /// The school has not written its numbers down.
    pub(super) has_no_local: bool,
}

/// Somebody to ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) who: &'static str,
    pub(super) number: String,
}

/// The card of a concern.
pub(super) fn card(audience: &str, category: &str, level: Level, matrix: &Matrix, contacts: &Contacts) -> Card {
    let who = if audience.contains("staff") || audience == "unmapped" { Who::Staff } else { Who::Pupil };
    let category = category.parse::<Category>().ok();
    let incidents = category.map(|category| matrix.incidents(who, category).cloned().collect()).unwrap_or_default();
    let asked: Vec<&'static str> = local(who, category, level);
    let of_fields = contacts.fields();
    let named = of_fields.iter().filter(|(name, ..)| asked.contains(name));
    let local: Vec<_> = named
        .filter(|(_, _, number)| !number.is_empty())
        .map(|(_, who, number)| Number { who, number: (*number).to_owned() })
        .collect();
    let mut numbers = national(category, level);
    let has_no_local = local.is_empty() && !asked.is_empty();
    numbers.splice(0..0, local);
    Card { incidents, numbers, has_no_local }
}

/// Fields of [`Contacts`] that fit.
fn local(who: Who, category: Option<Category>, level: Level) -> Vec<&'static str> {
    let mut fields = Vec::new();
    if level >= Level::Moderate {
        match who {
            Who::Pupil => fields.extend(["social_care", "out_of_hours"]),
            Who::Staff => fields.push("lado"),
        }
    }
    if matches!(category, Some(Category::Radicalisation | Category::Extremism | Category::Terrorism)) {
        fields.push("prevent");
    }
    if level >= Level::High {
        fields.push("police");
    }
    fields
}

/// Numbers and places that are the same for every school in England.
fn national(category: Option<Category>, level: Level) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut add = |who, number: &str| numbers.push(Number { who, number: number.to_owned() });
    if level >= Level::High {
        add("Police, in danger", "999");
        add("Police, otherwise", "101");
    }
    match category {
        Some(Category::Grooming | Category::Sextortion | Category::StrangerContact) => {
            add("CEOP (report online abuse)", "ceop.police.uk/safety-centre");
        }
        Some(Category::Csam | Category::Nudes | Category::DeepfakeNudify) => {
            add("Internet Watch Foundation", "report.iwf.org.uk");
            add("Report Remove, for a child's own pictures", "childline.org.uk/remove");
        }
        Some(Category::Terrorism | Category::Radicalisation) => {
            add("Anti-terrorist hotline", "0800 789 321");
        }
        Some(Category::SelfHarm | Category::Suicide | Category::HelpSeeking | Category::AbuseDisclosure) => {
            add("Childline, for the child", "0800 1111");
        }
        Some(_) | None => {}
    }
    numbers
}
