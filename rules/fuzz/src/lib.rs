//! The targets that the tests replay, by name.

#[path = "../../tests/it/fuzz/targets.rs"]
mod targets;

/// Hands `data` to the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).expect("a target of that name");
    target(data);
}
