//! What a school does about an incident, and whom it can ring: its action matrix and its local numbers.
//!
//! The matrix comes as a sample; a school writes its own, as TOML:
//!
//! ```toml
//! [[pupil]]                       # or [[staff]]
//! incident = "A way round the filter"
//! categories = ["filter_bypass"]
//! refer = ["headteacher", "technician"]
//! decide = ["remove_access"]      # what people alone decide
//! ```

use std::collections::BTreeSet;

use lapwing_rules::Category;
use serde::{Deserialize, Serialize};

/// Longest matrix, in bytes.
pub(crate) const MAX_MATRIX_BYTES: usize = 32 * 1024;
/// Longest incident, in characters.
const MAX_INCIDENT_CHARS: usize = 200;
/// Longest number or name of a contact, in characters.
pub(crate) const MAX_CONTACT_CHARS: usize = 120;
const SAMPLE: &str = include_str!("local_help/sample.toml");

/// Columns of the published matrices that become suggestions, and their names.
const REFER: [(&str, &str); 9] = [
    ("class_teacher", "Class teacher"),
    ("head_of_department", "Head of department"),
    ("line_manager", "Line manager"),
    ("headteacher", "Headteacher"),
    ("local_authority", "Local authority"),
    ("police", "Police"),
    ("technician", "Technician, for the filter or the account"),
    ("parents", "Parents"),
    ("social_care", "Children's social care"),
];
/// Those that people alone decide.
const DECIDE: [(&str, &str); 5] = [
    ("remove_access", "Take access away"),
    ("warning", "Warning"),
    ("sanction", "Further sanction"),
    ("suspension", "Suspension"),
    ("discipline", "Disciplinary procedure"),
];

/// Whom an incident is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A pupil, or whoever used a class log-on.
    Pupil,
    /// Staff.
    Staff,
}

/// What the school does about incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    pupil: Vec<Incident>,
    staff: Vec<Incident>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incident {
    /// What it is, in the school's words.
    pub(crate) incident: String,
    categories: BTreeSet<Category>,
    /// Whom it is suggested for, in words.
    pub(crate) refer: Vec<&'static str>,
    /// What people alone decide, in words.
    pub(crate) decide: Vec<&'static str>,
}

/// Why a matrix is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MatrixFault {
    /// Longer than is read.
    #[error("the matrix has at most {MAX_MATRIX_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// No TOML, or none of a matrix.
    #[error("{0}")]
    Toml(String),
    /// An incident without words, or with too many.
    #[error("row {0}: an incident has 1 to {MAX_INCIDENT_CHARS} characters")]
    Words(usize),
    /// No such category.
    #[error("row {row}: there is no category `{category}`")]
    Category {
        /// Which, from 1.
        row: usize,
        /// What was written.
        category: String,
    },
    /// No such column.
    #[error("row {row}: there is no `{column}`: expected one of {expected}")]
    Column {
        /// Which, from 1.
        row: usize,
        /// What was written.
        column: String,
        /// What there is.
        expected: String,
    },
}

/// Whom the school can ring, as it wrote them down; empty where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Contacts {
    /// Children's social care: the multi-agency safeguarding hub.
    pub(crate) social_care: String,
    /// The same when it is closed.
    pub(crate) out_of_hours: String,
    /// The local authority's designated officer.
    pub(crate) lado: String,
    /// The Prevent lead of the authority or the police.
    pub(crate) prevent: String,
    /// The school's police officer, or whom the police said to ask for.
    pub(crate) police: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    pupil: Vec<WrittenRow>,
    #[serde(default)]
    staff: Vec<WrittenRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    incident: String,
    categories: Vec<String>,
    #[serde(default)]
    refer: Vec<String>,
    #[serde(default)]
    decide: Vec<String>,
}

impl Matrix {
    /// A school's own; the sample where it wrote nothing.
    ///
    /// # Errors
    ///
    /// [`MatrixFault`], the first found.
    pub(crate) fn parse(text: &str) -> Result<Self, MatrixFault> {
        if text.len() > MAX_MATRIX_BYTES {
            return Err(MatrixFault::TooLong(text.len()));
        }
        let text = if text.trim().is_empty() { SAMPLE } else { text };
        let written: Written = toml::from_str(text).map_err(|error| MatrixFault::Toml(error.to_string()))?;
        let rows = |rows: Vec<WrittenRow>| {
            let rows = (1..).zip(rows).map(|(row, written)| incident(row, written));
            rows.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { pupil: rows(written.pupil)?, staff: rows(written.staff)? })
    }

    /// The rows that a concern of `category` may be.
    pub(crate) fn incidents(&self, who: Who, category: Category) -> impl Iterator<Item = &Incident> {
        let rows = match who {
            Who::Pupil => &self.pupil,
            Who::Staff => &self.staff,
        };
        rows.iter().filter(move |row| row.categories.contains(&category))
    }

    /// The sample, as text to begin with.
    pub(crate) const fn sample() -> &'static str {
        SAMPLE
    }
}

impl Contacts {
    /// The fields, by the name of each in a form, with its label.
    pub(crate) fn fields(&self) -> [(&'static str, &'static str, &str); 5] {
        [
            ("social_care", "Children's social care (MASH)", &self.social_care),
            ("out_of_hours", "Children's social care, out of hours", &self.out_of_hours),
            ("lado", "LADO", &self.lado),
            ("prevent", "Prevent lead", &self.prevent),
            ("police", "Police, not urgent", &self.police),
        ]
    }

    /// As a form brought them; `None` where one is too long or no line of text.
    pub(crate) fn checked(self) -> Option<Self> {
        let is_fit = |text: &str| text.chars().count() <= MAX_CONTACT_CHARS && !text.chars().any(char::is_control);
        let fit = self.fields().iter().all(|(_, _, text)| is_fit(text));
        let trimmed = |text: String| text.trim().to_owned();
        fit.then(|| Self {
            social_care: trimmed(self.social_care),
            out_of_hours: trimmed(self.out_of_hours),
            lado: trimmed(self.lado),
            prevent: trimmed(self.prevent),
            police: trimmed(self.police),
        })
    }
}

fn incident(row: usize, written: WrittenRow) -> Result<Incident, MatrixFault> {
    let words = written.incident.trim();
    if words.is_empty() || words.chars().count() > MAX_INCIDENT_CHARS {
        return Err(MatrixFault::Words(row));
    }
    let category = |category: String| category.parse().map_err(|_| MatrixFault::Category { row, category });
    Ok(Incident {
        incident: words.to_owned(),
        categories: written.categories.into_iter().map(category).collect::<Result<_, _>>()?,
        refer: columns(row, &REFER, written.refer)?,
        decide: columns(row, &DECIDE, written.decide)?,
    })
}

fn columns(
    row: usize,
    known: &[(&'static str, &'static str)],
    written: Vec<String>,
) -> Result<Vec<&'static str>, MatrixFault> {
    let column = |column: String| {
        let found = known.iter().find(|(id, _)| *id == column);
        found.map(|(_, words)| *words).ok_or_else(|| {
            let expected = known.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
            MatrixFault::Column { row, column, expected }
        })
    };
    written.into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_matrix_and_says_nothing_of_what_is_no_matter_of_behaviour() {
        let matrix = Matrix::parse("").unwrap();
        let of = |who, category| matrix.incidents(who, category).map(|row| row.incident.as_str()).collect::<Vec<_>>();
        assert_eq!(of(Who::Pupil, Category::FilterBypass), ["A way round the filter"]);
        assert_eq!(of(Who::Pupil, Category::Pornography).len(), 2);
        for category in [Category::SelfHarm, Category::Suicide, Category::HelpSeeking, Category::AbuseDisclosure] {
            assert_eq!(of(Who::Pupil, category), Vec::<&str>::new(), "{category}");
            assert_eq!(of(Who::Staff, category), Vec::<&str>::new(), "{category}");
        }
    }

    #[test]
    fn a_school_writes_its_own_and_is_told_which_row_is_wrong() {
        let row = "[[pupil]]\nincident = \"Words\"\ncategories = [\"drugs\"]\nrefer = [\"parents\"]\n";
        let matrix = Matrix::parse(row).unwrap();
        let drugs: Vec<_> = matrix.incidents(Who::Pupil, Category::Drugs).collect();
        assert_eq!(drugs[0].refer, ["Parents"]);
        assert_eq!(matrix.incidents(Who::Pupil, Category::FilterBypass).count(), 0);
        for (from, to, says) in [
            ("drugs", "drinks", "row 1: there is no category `drinks`"),
            ("parents", "aunts", "row 1: there is no `aunts`: expected one of class_teacher"),
            ("Words", " ", "row 1: an incident has 1 to"),
            ("pupil", "child", "unknown field `child`"),
        ] {
            let error = Matrix::parse(&row.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(Matrix::parse(&"#".repeat(MAX_MATRIX_BYTES + 1)), Err(MatrixFault::TooLong(MAX_MATRIX_BYTES + 1)));
    }

    #[test]
    fn a_contact_is_one_short_line() {
        let with = |text: &str| Contacts { lado: text.to_owned(), ..Contacts::default() }.checked();
        assert_eq!(with(" 01632 960 123 ").unwrap().lado, "01632 960 123");
        assert_eq!(with("a\nb"), None);
        assert_eq!(with(&"x".repeat(MAX_CONTACT_CHARS + 1)), None);
    }
}
