//! `verify`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{
    Base, Date, Kind, MAX_ARTEFACT_BYTES, PackFacts, Policy, RuleId, RuleSet, TrustedKeys, Tuned, Validity, base_keys,
    key_text,
};
use serde_json::{Value, json};

use super::explain::tuned_as_json;
use super::today::DAY_S;
use super::{Failure, Outcome, files, say, sign};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The rule set, policy or illegal base.
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// A trusted key, `ed25519:` and 64 hexadecimal digits; may be repeated.
    #[arg(long = "trust", value_name = "KEY", required = true)]
    trust: Vec<String>,
    /// Signatures of distinct trusted keys that are needed.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: usize,
    /// A key trusted for the illegal base of a rule set; may be repeated. Without one a release asks for the project's, and
    /// another build tells who signed it.
    #[arg(long = "base-trust", value_name = "KEY")]
    base_trust: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let keys = TrustedKeys::parse(&self.trust, self.threshold).map_err(Failure::bad_input)?;
        let bytes = files::read(&self.set, MAX_ARTEFACT_BYTES as u64)?;
        let given = (!self.base_trust.is_empty()).then(|| TrustedKeys::parse(&self.base_trust, 1)).transpose();
        let base_keys = given.and_then(base_keys).map_err(Failure::bad_input)?;
        match facts(&bytes, &keys, base_keys.as_ref()) {
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
fn facts(bytes: &[u8], keys: &TrustedKeys, base_keys: Option<&TrustedKeys>) -> anyhow::Result<(String, Value)> {
    let (kind, artefact) = sign::read(bytes)?;
    let (mut text, mut json) = match kind {
        Kind::RuleSet => {
            let set = RuleSet::load(bytes, keys)?;
            base_keys.map(|keys| set.check_base(keys, None)).transpose()?;
            rule_set(&set)
        }
        Kind::Policy => policy(&Policy::load(bytes, keys)?),
        Kind::Base => base(&Base::load(bytes, keys)?),
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
    let rules = set.rules().count();
    let mut text = format!("rule set release {}, {rules} rules\n", set.release());
    let signers = |base: &Base| base.signers().iter().map(key_text).collect::<Vec<_>>();
    text.push_str(&match set.base() {
        None => "without the illegal base: no device takes it\n".to_owned(),
        Some(base) if base.signers().is_empty() => {
            "with an illegal base that nobody signed: no device takes it\n".to_owned()
        }
        Some(base) => format!("upon illegal base release {}, signed by {}\n", base.release(), signers(base).join(", ")),
    });
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
        "base": set.base().map(|base| json!({
            "release": base.release().number(), "signed_by": signers(base), "sha256": base.digest().to_string(),
        })),
        "not_before": not_before,
        "expires": expires,
        "tuned": tuned.iter().map(tune).collect::<Vec<_>>(),
        "packs": set.packs().into_iter().map(pack).collect::<Vec<_>>(),
    });
    (text, json)
}

fn base(base: &Base) -> (String, Value) {
    let release = base.release();
    (format!("illegal base release {release}\n"), json!({ "kind": "illegal_base", "release": release.number() }))
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
