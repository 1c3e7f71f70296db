//! What filters call their categories, as ours. The first line of which a word stands in the name counts.

use lapwing_rules::Category;

/// In lower case, the gravest first.
const NAMES: [(&[&str], Category); 27] = [
    (&["child abuse", "child sexual", "csam", "csai", "iwf"], Category::Csam),
    (&["ctiru", "counter-terrorism", "counter terrorism", "police assessed"], Category::Terrorism),
    (&["suicid"], Category::Suicide),
    (&["self harm", "self-harm", "selfharm"], Category::SelfHarm),
    (&["radicali"], Category::Radicalisation),
    (&["terror", "extremis"], Category::Extremism),
    (&["eating disorder", "anorexi", "bulimi"], Category::EatingDisorder),
    (&["sextort"], Category::Sextortion),
    (&["bully"], Category::Bullying),
    (&["hate", "racis", "racial", "intoleran"], Category::Hate),
    (&["discriminat"], Category::Discrimination),
    (&["misogyn", "incel"], Category::Misogyny),
    (&["weapon", "firearm", "bomb"], Category::Weapons),
    (&["violen", "gore", "tasteless"], Category::Violence),
    (&["porn", "sexually explicit", "nudity", "adult content", "adult entertainment"], Category::Pornography),
    (&["drug", "substance abuse", "substance misuse", "marijuana", "cannabis"], Category::Drugs),
    (&["proxy", "proxies", "anonymi", "anonymous", "vpn", "filter avoidance", "circumvent"], Category::FilterBypass),
    (&["hacking", "malware", "phish", "spyware", "command and control"], Category::MalwareHacking),
    (&["stranger", "chat site", "anonymous chat"], Category::StrangerContact),
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
    NAMES.into_iter().find(|(words, _)| words.iter().any(|word| name.contains(word))).map(|(_, category)| category)
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
        for fine in ["News", "Health", "Counselling", "Education", "", "Adult education"] {
            assert_eq!(of(fine), None, "{fine}");
        }
    }
}
