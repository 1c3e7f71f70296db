//! What filters call their categories, as ours. The first line of which a word stands in the name counts, unless the
//! name is one of help and not of something illegal: who looks for help is no concern.

use lapwing_rules::Category;

/// Words of categories of help, advice and learning.
const HELP: [&str; 15] = [
    "support service",
    "support group",
    "support and advice",
    "alcohol support",
    "helpline",
    "help line",
    "prevention",
    "counsel",
    "advice",
    "recovery",
    "rehabilitation",
    "awareness",
    "safeguarding resource",
    "education",
    "charit",
];
/// Words of categories that speak for what others help against.
const FOR_IT: [&str; 5] = ["encourag", "promot", "pro-", "incit", "extremis"];
/// In lower case, the gravest first.
const NAMES: [(&[&str], Category); 31] = [
    (&["child abuse", "child sexual", "csam", "csai", "iwf"], Category::Csam),
    (&["ctiru", "counter-terrorism", "counter terrorism", "police assessed"], Category::Terrorism),
    (&["suicid"], Category::Suicide),
    (&["self harm", "self-harm", "selfharm"], Category::SelfHarm),
    (&["radicali"], Category::Radicalisation),
    (&["terror", "extremis"], Category::Extremism),
    (&["eating disorder", "anorexi", "bulimi"], Category::EatingDisorder),
    (&["sextort"], Category::Sextortion),
    (&["child grooming", "online grooming", "sexual grooming", "grooming of"], Category::Grooming),
    (&["county lines", "criminal exploitation", "gang"], Category::CriminalExploitation),
    (&["domestic abuse", "domestic violence"], Category::DomesticAbuse),
    (&["threat to life", "threats of", "threatening"], Category::Threats),
    (&["bully"], Category::Bullying),
    (&["hate", "racis", "racial", "intoleran"], Category::Hate),
    (&["discriminat"], Category::Discrimination),
    (&["misogyn", "incel"], Category::Misogyny),
    (&["weapon", "firearm", "bomb"], Category::Weapons),
    (&["violen", "gore", "tasteless"], Category::Violence),
    (&["porn", "sexually explicit", "nudity", "adult content", "adult entertainment"], Category::Pornography),
    (&["drug", "substance abuse", "substance misuse", "marijuana", "cannabis"], Category::Drugs),
    (&["stranger", "chat site", "anonymous chat", "chat roulette", "omegle"], Category::StrangerContact),
    (&["proxy", "proxies", "anonymi", "anonymous", "vpn", "filter avoidance", "circumvent"], Category::FilterBypass),
    (&["hacking", "malware", "phish", "spyware", "command and control"], Category::MalwareHacking),
    (&["gambl", "betting"], Category::Gambling),
    (&["loot box", "cryptocurrenc", "crypto currenc", "cryptomining"], Category::LootBoxesCrypto),
    (&["fraud", "scam"], Category::Scams),
    (&["peer to peer", "peer-to-peer", "p2p", "torrent", "file sharing", "piracy"], Category::FileSharing),
    (&["profan", "swear", "strong language"], Category::Profanity),
    (&["dangerous challenge"], Category::DangerousChallenge),
    (&["games", "gaming"], Category::OffTaskGaming),
    (&["shopping"], Category::Shopping),
];

/// The category of a filter's; `None` where it is no concern, or means help.
pub(super) fn of(name: &str) -> Option<Category> {
    let name = name.to_lowercase();
    // A site may have several, each for itself: one of help takes nothing from a grave one beside it.
    let places = name.split([',', ';', '|']).filter_map(place);
    NAMES.get(places.min()?).map(|(_, category)| *category)
}

/// Where in the list one name stands.
fn place(name: &str) -> Option<usize> {
    let is_named = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let (place, (_, category)) = NAMES.into_iter().enumerate().find(|(_, (words, _))| is_named(words))?;
    // What speaks for it is no help against it.
    let is_never_help = category.class().is_illegal() || is_named(&FOR_IT);
    (is_never_help || !is_named(&HELP)).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_that_a_name_says_counts_and_what_is_no_concern_is_none() {
        assert_eq!(of("Suicide and Self-Harm; Drugs"), Some(Category::Suicide));
        assert_eq!(of("IWF Child Abuse Content"), Some(Category::Csam));
        assert_eq!(of("Extremism & Terrorism"), Some(Category::Extremism), "a filter's word is not the police's list");
        assert_eq!(of("Adult Content / Pornography"), Some(Category::Pornography));
        assert_eq!(of("Anonymous chat sites"), Some(Category::StrangerContact), "no way round the filter");
        assert_eq!(of("Online grooming"), Some(Category::Grooming));
        for promoted in ["Promotion of suicide, education", "Pro-anorexia support groups", "Hate group support"] {
            assert!(of(promoted).is_some(), "{promoted}");
        }
        for harmless in ["Pet grooming", "Bride & groom"] {
            assert_eq!(of(harmless), None, "{harmless}");
        }
        assert_eq!(of("Support of extremist groups"), Some(Category::Extremism));
        assert_eq!(of("Education; Suicide; Charities"), Some(Category::Suicide), "each of several for itself");
        for help in ["Suicide prevention", "Drug and alcohol support", "Self-harm helplines", "Sex education"] {
            assert_eq!(of(help), None, "{help}");
        }
        for fine in ["News", "Health", "Counselling", "Education", "", "Adult education"] {
            assert_eq!(of(fine), None, "{fine}");
        }
    }
}
