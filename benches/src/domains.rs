//! `domains`: whether a host or a domain above it is listed, beside other sets of the same hosts.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use ahash::AHashSet;
use lapwing_rules::{Band, HostClass, Release, RuleSet, Scope, Text};

use crate::report::{Effort, Metric, Report, quantile, time};
use crate::sample::{self, Chance, Sample};

/// Listed hosts, at full effort.
const HOSTS: [usize; 2] = [100_000, 1_000_000];
/// Hosts asked for a repeat, at full effort.
const QUERIES: usize = 200_000;
/// One of so many is listed, or below one that is.
const HIT_EVERY: usize = 50;

/// Whether a host is listed.
type Lookup = Box<dyn Fn(&str) -> bool>;

/// Measures it.
///
/// # Errors
///
/// When the sample packs do not compile.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let sample = Sample::new();
    let mut metrics = Vec::new();
    for count in HOSTS {
        metrics.extend(beside_peers(effort, &sample.hosts(effort.of(count)))?);
    }
    Ok(Report::new("domains", metrics))
}

/// A verdict on a host, its class, and a look at each peer, in turn.
fn beside_peers(effort: Effort, hosts: &[String]) -> anyhow::Result<[Metric; 2]> {
    let queries = queries(hosts, effort.of(QUERIES));
    let rules = sample::compiler(&[], hosts).rule_set(Release::new(1)).map_err(sample::mistakes)?;
    let texts: Vec<_> = queries.iter().map(|host| [Text::new(Scope::UrlHost, host.as_str())]).collect();
    let class = |host: &str| rules.host_class(host) == HostClass::Protected;
    let (control, peers) = (control(hosts), peers(hosts)?);
    let (mut verdicts, mut classes, mut others) = (Vec::new(), Vec::new(), vec![Vec::new(); peers.len()]);
    for _ in 0..effort.repeats() {
        let control = each(&queries, &control);
        verdicts.push((verdict(&rules, &texts), control));
        classes.push((each(&queries, &class), control));
        peers.iter().zip(&mut others).for_each(|((_, lookup), times)| times.push(each(&queries, lookup)));
    }
    let name = format!("verdict on a host, {} listed, control: HashSet", hosts.len());
    let mut metric = Metric::of_pairs(name, "ns", &verdicts, None);
    for ((name, _), times) in peers.iter().zip(&others) {
        metric = metric.beside(*name, quantile(times, 0.5));
    }
    let name = format!("class of a host, {} listed, control: HashSet", hosts.len());
    Ok([metric, Metric::of_pairs(name, "ns", &classes, None)])
}

/// Hosts nobody listed, and now and then one that is, or one below it.
fn queries(hosts: &[String], count: usize) -> Vec<String> {
    let mut chance = Chance::new(5);
    let query = |number: usize| {
        let host = hosts.get(chance.below(hosts.len())).map_or("", String::as_str);
        match number % (2 * HIT_EVERY) {
            0 => host.to_owned(),
            HIT_EVERY => format!("www.{host}"),
            _ => format!("www.q{host}"),
        }
    };
    (0..count).map(query).collect()
}

/// The host and what is above it, until one is listed.
fn walk(host: &str, listed: impl Fn(&str) -> bool) -> bool {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, above)| above)).any(listed)
}

fn control(hosts: &[String]) -> Lookup {
    let set: HashSet<String> = hosts.iter().cloned().collect();
    Box::new(move |host| walk(host, |domain| set.contains(domain)))
}

fn peers(hosts: &[String]) -> anyhow::Result<Vec<(&'static str, Lookup)>> {
    let fast: AHashSet<String> = hosts.iter().cloned().collect();
    let mut sorted: Vec<_> = hosts.to_vec();
    sorted.sort();
    let fst = fst::Set::from_iter(&sorted)?;
    let hasher = RandomState::new();
    let mut hashes: Vec<u64> = hosts.iter().map(|host| hasher.hash_one(host.as_str())).collect();
    hashes.sort_unstable();
    Ok(vec![
        ("AHashSet", Box::new(move |host| walk(host, |domain| fast.contains(domain)))),
        ("fst::Set", Box::new(move |host| walk(host, |domain| fst.contains(domain)))),
        (
            "sorted u64 of hashes",
            Box::new(move |host| walk(host, |domain| hashes.binary_search(&hasher.hash_one(domain)).is_ok())),
        ),
    ])
}

fn verdict(rules: &RuleSet, texts: &[[Text; 1]]) -> f64 {
    let mut hits = 0;
    let took = time(|| hits = texts.iter().map(|texts| rules.evaluate(texts, Band::Ks3).hits.len()).sum::<usize>());
    std::hint::black_box(hits);
    nanoseconds(took, texts.len())
}

/// Nanoseconds a host.
fn each(queries: &[String], lookup: &dyn Fn(&str) -> bool) -> f64 {
    let mut listed = 0;
    let took = time(|| listed = queries.iter().filter(|host| lookup(host)).count());
    std::hint::black_box(listed);
    nanoseconds(took, queries.len())
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn nanoseconds(took: std::time::Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e9 / count as f64
}
