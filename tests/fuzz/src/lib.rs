//! The targets that the stories replay, by name.

#[path = "../../tests/stories/hostile/targets.rs"]
mod targets;

/// Hands `data` to the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target, _) = targets::ALL.into_iter().find(|(known, ..)| *known == name).expect("a target of that name");
    target(data);
}
