//! The field's categories: four Cs, support and system, each with its topics.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{InvalidId, Level};

/// The branch a category belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FourC {
    /// What is seen.
    Content,
    /// Who is met.
    Contact,
    /// What is done.
    Conduct,
    /// What is bought or lost.
    Commerce,
    /// Help sought or needed; never a sanction.
    Support,
    /// The product itself.
    System,
}

impl FourC {
    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Contact => "contact",
            Self::Conduct => "conduct",
            Self::Commerce => "commerce",
            Self::Support => "support",
            Self::System => "system",
        }
    }
}

/// What the law and guidance ask of a category besides its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing more.
    Ordinary,
    /// Cannot be disabled, exempted, lowered, paused or scoped out (UKSIC, 2024).
    Illegal,
    /// Illegal, and its evidence is never shown, stored in clear or copied (UKCIS).
    IllegalNoEvidence,
}

impl Class {
    /// Whether a school may touch rules of this class.
    #[must_use]
    pub const fn is_illegal(self) -> bool {
        matches!(self, Self::Illegal | Self::IllegalNoEvidence)
    }
}

/// A topic: the leaf of the category tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Category {
    /// Child sexual abuse material.
    Csam,
    /// Terrorism.
    Terrorism,
    /// Extreme pornography.
    ExtremePornography,
    /// Stirring up racial hatred.
    RacistIllegal,
    /// Extremism.
    Extremism,
    /// Hate.
    Hate,
    /// Discrimination.
    Discrimination,
    /// Pornography.
    Pornography,
    /// Violence.
    Violence,
    /// Weapons.
    Weapons,
    /// Self-harm.
    SelfHarm,
    /// Suicide.
    Suicide,
    /// Eating disorder.
    EatingDisorder,
    /// Drugs.
    Drugs,
    /// Misogyny.
    Misogyny,
    /// Dangerous challenge.
    DangerousChallenge,
    /// Grooming.
    Grooming,
    /// Criminal exploitation.
    CriminalExploitation,
    /// Radicalisation.
    Radicalisation,
    /// Contact with strangers.
    StrangerContact,
    /// Sextortion.
    Sextortion,
    /// Bullying.
    Bullying,
    /// Sexual harassment.
    SexualHarassment,
    /// Nudes and semi-nudes.
    Nudes,
    /// Deepfake or nudify tools.
    DeepfakeNudify,
    /// Threats.
    Threats,
    /// Getting round the filter.
    FilterBypass,
    /// Misuse of an account.
    AccountMisuse,
    /// Malware or hacking.
    MalwareHacking,
    /// Removable media.
    RemovableMedia,
    /// File sharing.
    FileSharing,
    /// Profanity.
    Profanity,
    /// Off-task gaming.
    OffTaskGaming,
    /// Oversharing.
    Oversharing,
    /// Gambling.
    Gambling,
    /// Scams.
    Scams,
    /// Shopping.
    Shopping,
    /// Loot boxes and crypto.
    LootBoxesCrypto,
    /// Looking for help.
    HelpSeeking,
    /// Running away.
    Runaway,
    /// Disclosure of abuse.
    AbuseDisclosure,
    /// Domestic abuse.
    DomesticAbuse,
    /// FGM or honour-based abuse.
    FgmHba,
    /// Daily check.
    Canary,
    /// Tampering.
    Tamper,
    /// Gap in coverage.
    CoverageGap,
}

/// One row of the category table.
struct Row {
    category: Category,
    id: &'static str,
    branch: FourC,
    class: Class,
    level: Level,
    name: &'static str,
}

/// Every category in the order of its declaration, so that `TABLE[category as usize]` is its row (a test holds it).
const TABLE: &[Row] = &[
    row(
        Category::Csam,
        "csam",
        FourC::Content,
        Class::IllegalNoEvidence,
        Level::Critical,
        "Child sexual abuse material",
    ),
    row(Category::Terrorism, "terrorism", FourC::Content, Class::Illegal, Level::Critical, "Terrorism"),
    row(
        Category::ExtremePornography,
        "extreme_pornography",
        FourC::Content,
        Class::IllegalNoEvidence,
        Level::Critical,
        "Extreme pornography",
    ),
    row(
        Category::RacistIllegal,
        "racist_illegal",
        FourC::Content,
        Class::Illegal,
        Level::Critical,
        "Stirring up racial hatred",
    ),
    row(Category::Extremism, "extremism", FourC::Content, Class::Ordinary, Level::High, "Extremism"),
    row(Category::Hate, "hate", FourC::Content, Class::Ordinary, Level::High, "Hate"),
    row(Category::Discrimination, "discrimination", FourC::Content, Class::Ordinary, Level::Moderate, "Discrimination"),
    row(Category::Pornography, "pornography", FourC::Content, Class::Ordinary, Level::Moderate, "Pornography"),
    row(Category::Violence, "violence", FourC::Content, Class::Ordinary, Level::Moderate, "Violence"),
    row(Category::Weapons, "weapons", FourC::Content, Class::Ordinary, Level::High, "Weapons"),
    row(Category::SelfHarm, "self_harm", FourC::Content, Class::Ordinary, Level::High, "Self-harm"),
    row(Category::Suicide, "suicide", FourC::Content, Class::Ordinary, Level::High, "Suicide"),
    row(
        Category::EatingDisorder,
        "eating_disorder",
        FourC::Content,
        Class::Ordinary,
        Level::Moderate,
        "Eating disorder",
    ),
    row(Category::Drugs, "drugs", FourC::Content, Class::Ordinary, Level::Moderate, "Drugs"),
    row(Category::Misogyny, "misogyny", FourC::Content, Class::Ordinary, Level::Moderate, "Misogyny"),
    row(
        Category::DangerousChallenge,
        "dangerous_challenge",
        FourC::Content,
        Class::Ordinary,
        Level::Moderate,
        "Dangerous challenge",
    ),
    row(Category::Grooming, "grooming", FourC::Contact, Class::Illegal, Level::Critical, "Grooming"),
    row(
        Category::CriminalExploitation,
        "criminal_exploitation",
        FourC::Contact,
        Class::Ordinary,
        Level::High,
        "Criminal exploitation",
    ),
    row(Category::Radicalisation, "radicalisation", FourC::Contact, Class::Ordinary, Level::High, "Radicalisation"),
    row(
        Category::StrangerContact,
        "stranger_contact",
        FourC::Contact,
        Class::Ordinary,
        Level::Moderate,
        "Contact with strangers",
    ),
    row(Category::Sextortion, "sextortion", FourC::Contact, Class::Ordinary, Level::High, "Sextortion"),
    row(Category::Bullying, "bullying", FourC::Conduct, Class::Ordinary, Level::Moderate, "Bullying"),
    row(
        Category::SexualHarassment,
        "sexual_harassment",
        FourC::Conduct,
        Class::Ordinary,
        Level::Moderate,
        "Sexual harassment",
    ),
    row(Category::Nudes, "nudes", FourC::Conduct, Class::IllegalNoEvidence, Level::High, "Nudes and semi-nudes"),
    row(
        Category::DeepfakeNudify,
        "deepfake_nudify",
        FourC::Conduct,
        Class::IllegalNoEvidence,
        Level::High,
        "Deepfake or nudify tools",
    ),
    row(Category::Threats, "threats", FourC::Conduct, Class::Ordinary, Level::High, "Threats"),
    row(
        Category::FilterBypass,
        "filter_bypass",
        FourC::Conduct,
        Class::Ordinary,
        Level::Moderate,
        "Getting round the filter",
    ),
    row(
        Category::AccountMisuse,
        "account_misuse",
        FourC::Conduct,
        Class::Ordinary,
        Level::Moderate,
        "Misuse of an account",
    ),
    row(
        Category::MalwareHacking,
        "malware_hacking",
        FourC::Conduct,
        Class::Ordinary,
        Level::Moderate,
        "Malware or hacking",
    ),
    row(Category::RemovableMedia, "removable_media", FourC::Conduct, Class::Ordinary, Level::Low, "Removable media"),
    row(Category::FileSharing, "file_sharing", FourC::Conduct, Class::Ordinary, Level::Low, "File sharing"),
    row(Category::Profanity, "profanity", FourC::Conduct, Class::Ordinary, Level::Low, "Profanity"),
    row(Category::OffTaskGaming, "off_task_gaming", FourC::Conduct, Class::Ordinary, Level::Low, "Off-task gaming"),
    row(Category::Oversharing, "oversharing", FourC::Conduct, Class::Ordinary, Level::Low, "Oversharing"),
    row(Category::Gambling, "gambling", FourC::Commerce, Class::Ordinary, Level::Low, "Gambling"),
    row(Category::Scams, "scams", FourC::Commerce, Class::Ordinary, Level::Low, "Scams"),
    row(Category::Shopping, "shopping", FourC::Commerce, Class::Ordinary, Level::Low, "Shopping"),
    row(
        Category::LootBoxesCrypto,
        "loot_boxes_crypto",
        FourC::Commerce,
        Class::Ordinary,
        Level::Low,
        "Loot boxes and crypto",
    ),
    row(Category::HelpSeeking, "help_seeking", FourC::Support, Class::Ordinary, Level::Info, "Looking for help"),
    row(Category::Runaway, "runaway", FourC::Support, Class::Ordinary, Level::High, "Running away"),
    row(
        Category::AbuseDisclosure,
        "abuse_disclosure",
        FourC::Support,
        Class::Ordinary,
        Level::High,
        "Disclosure of abuse",
    ),
    row(Category::DomesticAbuse, "domestic_abuse", FourC::Support, Class::Ordinary, Level::High, "Domestic abuse"),
    row(Category::FgmHba, "fgm_hba", FourC::Support, Class::Ordinary, Level::High, "FGM or honour-based abuse"),
    row(Category::Canary, "canary", FourC::System, Class::Ordinary, Level::Info, "Daily check"),
    row(Category::Tamper, "tamper", FourC::System, Class::Ordinary, Level::Moderate, "Tampering"),
    row(Category::CoverageGap, "coverage_gap", FourC::System, Class::Ordinary, Level::Moderate, "Gap in coverage"),
];

const fn row(
    category: Category,
    id: &'static str,
    branch: FourC,
    class: Class,
    level: Level,
    name: &'static str,
) -> Row {
    Row { category, id, branch, class, level, name }
}

impl Category {
    /// Every category.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.category)
    }

    /// The stable id used in packs, on the wire and in the database.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The name people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Its branch.
    #[must_use]
    pub fn branch(self) -> FourC {
        self.row().branch
    }

    /// What the law asks of it.
    #[must_use]
    pub fn class(self) -> Class {
        self.row().class
    }

    /// Level of a rule that names none.
    #[must_use]
    pub fn default_level(self) -> Level {
        self.row().level
    }

    #[expect(clippy::indexing_slicing, reason = "the table has one row a variant in order, held by a test")]
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Category {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        TABLE
            .iter()
            .find(|row| row.id == text)
            .map(|row| row.category)
            .ok_or_else(|| InvalidId::new("category", text, "one of the ids `lapwing-rules categories` lists"))
    }
}

impl TryFrom<String> for Category {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.id().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_category() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.category as usize, index, "{}", row.id);
            assert_eq!(row.id.parse::<Category>(), Ok(row.category));
        }
    }
}
