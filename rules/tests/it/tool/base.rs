//! `base`, and what is compiled upon it.

use super::{Desk, good};

const BASE: &str = include_str!("../fuzz/base.toml");

#[test]
fn an_illegal_base_goes_from_the_project_into_a_schools_set() {
    let desk = Desk::new(&good());
    std::fs::write(desk.path("packs/illegal_base.toml"), BASE).unwrap();
    let project = desk.ends("keygen --out project", 0);
    let told = desk.ends("base --packs packs --release 3 --key project --out base", 0);
    assert!(told.starts_with("illegal base release 3, ") && told.contains(project.trim()), "{told}");
    let told = desk.ends("compile --packs packs --base base --release 4 --key key --out set", 0);
    assert!(told.contains("upon illegal base release 3\n"), "{told}");
    let school = told.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    let told = desk.ends(&format!("verify --set set --trust {school} --base-trust {}", project.trim()), 0);
    assert!(told.contains(&format!("upon illegal base release 3, signed by {}", project.trim())), "{told}");
    let told = desk.ends(&format!("verify --set set --trust {school} --base-trust {school}"), 1);
    assert!(told.contains("refused: its illegal base has 0 of the 1 trusted signatures"), "{told}");
    assert!(desk.ends(&format!("verify --set base --trust {}", project.trim()), 0).contains("illegal base release 3"));
    let json = desk.ends(&format!("verify --set set --trust {school} --json"), 0);
    assert!(json.contains("\"release\": 3"), "{json}");
}

#[test]
fn the_rules_of_an_earlier_release_come_back_under_a_higher_number() {
    let desk = Desk::new(&good());
    std::fs::write(desk.path("packs/illegal_base.toml"), BASE).unwrap();
    desk.ends("base --packs packs --release 3 --key key --out base", 0);
    let told = desk.ends("compile --packs packs --base base --release 4 --key key --out set", 0);
    let key = told.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    let told = desk.ends("reissue --set set --release 9 --key key --out again", 0);
    assert!(told.starts_with("release 9 has the rules of release 4, signed by ed25519:"), "{told}");
    let verified = desk.ends(&format!("verify --set again --trust {key}"), 0);
    assert!(verified.contains("rule set release 9,") && verified.contains("upon illegal base release 3"), "{verified}");
    desk.ends("compile --packs packs --base base --release 9 --key key --out compiled", 0);
    let bytes = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert_eq!(bytes("again"), bytes("compiled"), "as if it had been compiled so");
    assert!(desk.ends("reissue --set key --release 9 --key key --out again", 64).contains("not a rule set"));
    assert!(desk.ends("reissue --set set --release 9 --key key --out set", 64).contains("which is read"));
}

#[test]
fn packs_that_are_not_the_signed_ones_are_named_and_overwrite_nothing() {
    let desk = Desk::new(&good());
    std::fs::write(desk.path("packs/illegal_base.toml"), BASE).unwrap();
    desk.ends("base --packs packs --release 3 --key key --out base", 0);
    std::fs::write(desk.path("packs/illegal_base.toml"), BASE.replace("two cuckoos", "nine cuckoos")).unwrap();
    let told = desk.ends("compile --packs packs --base base --release 4 --key key --out set", 64);
    assert!(told.contains("are not those of the signed illegal base, release 3"), "{told}");
    assert!(!desk.path("set").exists());
    let told = desk.ends("compile --packs packs --base key --release 4 --key key --out set", 64);
    assert!(told.contains("the illegal base cannot be read"), "{told}");
    let told = desk.ends("compile --packs packs --base base --release 4 --key key --out base", 64);
    assert!(told.contains("`--out` names `base`, which is read"), "{told}");
    std::fs::remove_file(desk.path("packs/illegal_base.toml")).unwrap();
    desk.ends("compile --packs packs --base base --release 4 --key key --out set", 0);
    let told = desk.ends("compile --packs packs --release 4 --key key --out trial", 0);
    assert!(told.contains("for trials"), "{told}");
    let told = desk.ends("base --packs packs --release 3 --key key --out base", 64);
    assert!(told.contains("the illegal base is the pack `illegal_base`, and there is none"), "{told}");
}
