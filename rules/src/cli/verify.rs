//! `verify`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{
    Date, Kind, MAX_ARTEFACT_BYTES, PackFacts, Policy, RuleId, RuleSet, TrustedKeys, Tuned, Validity, key_text,
};
use serde_json::{Value, json};

use super::explain::tuned_as_json;
use super::today::DAY_S;
use super::{Failure, Outcome, files, say, sign};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The rule set or policy.
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// A trusted key, `ed25519:` and 64 hexadecimal digits; may be repeated.
    #[arg(long = "trust", value_name = "KEY", required = true)]
    trust: Vec<String>,
    /// Signatures of distinct trusted keys that are needed.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let keys = TrustedKeys::parse(&self.trust, self.threshold).map_err(Failure::bad_input)?;
        let bytes = files::read(&self.set, MAX_ARTEFACT_BYTES as u64)?;
        match facts(&bytes, &keys) {
            Ok((text, json)) => {
                say(out, self.json.then_some(&json), &text);
                Ok(Outcome::Fine)
            }
            Err(error) => {
                let json = json!({ "refused": format!("{error:#}") });
                say(out, self.json.then_some(&json), &format!("{}: refused: {error:#}\n", self.set.display()));
                Ok(Outcome::Problems)
            }
        }
    }
}

/// What is verified, as text and for scripts.
fn facts(bytes: &[u8], keys: &TrustedKeys) -> anyhow::Result<(String, Value)> {
    let (kind, artefact) = sign::read(bytes)?;
    let (mut text, mut json) = match kind {
        Kind::RuleSet => rule_set(&RuleSet::load(bytes, keys)?),
        Kind::Policy => policy(&Policy::load(bytes, keys)?),
    };
    let signers: Vec<String> = artefact.signers().iter().map(key_text).collect();
    signers.iter().for_each(|key| text.push_str(&format!("signed by {key}\n")));
    let digest = artefact.digest().to_string();
    text.push_str(&format!("sha256 {digest}\n"));
    if let Some(facts) = json.as_object_mut() {
        facts.extend([("signed_by".to_owned(), signers.into()), ("sha256".to_owned(), digest.into())]);
    }
    Ok((text, json))
}

fn rule_set(set: &RuleSet) -> (String, Value) {
    let base = if set.has_illegal_base() { "with" } else { "without" };
    let rules = set.rules().count();
    let mut text = format!("rule set release {}, {rules} rules, {base} the illegal base\n", set.release());
    let Validity { not_before, expires } = set.validity();
    text.push_str(&format!("in force from {}\n", not_before_in_words(not_before)));
    text.push_str(&expires.map(|expires| format!("to be replaced by {}\n", moment(expires))).unwrap_or_default());
    for pack in set.packs() {
        text.push_str(&format!("pack {} version {}: {}\n", pack.id, pack.version, pack.title));
    }
    let tuned: Vec<(&RuleId, &Tuned)> = set.rules().filter_map(|rule| Some((&rule.id, rule.tuned.as_ref()?))).collect();
    tuned.iter().for_each(|(rule, tuned)| text.push_str(&format!("tuned {rule}: {}\n", tuned.told())));
    let tune = |(rule, tuned): &(&RuleId, &Tuned)| json!({ "rule": rule.as_str(), "tune": tuned_as_json(tuned) });
    let pack = |pack: &PackFacts| json!({ "id": pack.id, "version": pack.version, "title": pack.title });
    let json = json!({
        "kind": "rule_set",
        "release": set.release().number(),
        "rules": rules,
        "has_illegal_base": set.has_illegal_base(),
        "not_before": not_before,
        "expires": expires,
        "tuned": tuned.iter().map(tune).collect::<Vec<_>>(),
        "packs": set.packs().iter().map(pack).collect::<Vec<_>>(),
    });
    (text, json)
}

fn not_before_in_words(second: u64) -> String {
    if second == 0 { "the day it arrives".to_owned() } else { moment(second) }
}

/// A Unix second, and the day it is of in UTC where the calendar has it.
fn moment(second: u64) -> String {
    let day = u32::try_from(second / DAY_S).ok().and_then(Date::from_days);
    day.map_or_else(|| format!("second {second}"), |day| format!("{day}, second {second}"))
}

fn policy(policy: &Policy) -> (String, Value) {
    let (release, school, zone) = (policy.release, &policy.school, &policy.zone);
    let text = format!("policy release {release} of school {school}, zone {zone}\n");
    (text, json!({ "kind": "policy", "release": release.number(), "school": school, "zone": zone }))
}
