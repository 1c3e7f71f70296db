//! The committed code is what the contract generates, byte for byte. To write it anew after a change of the
//! contract: `LAPWING_REGENERATE=1 cargo test -p lapwing-proto --test contract`.

#[path = "contract/messages.rs"]
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost_types::field_descriptor_proto::Type;

/// Every `bytes` field that a device may send, with its greatest length. A field that is not here fails the test.
const DEVICE_BYTES: &[(&str, usize)] = &[
    ("JoinRequest.csr", 2048),
    ("RenewRequest.csr", 2048),
    ("Capture.sealed_reference", 512),
    ("Capture.boot_id", 16),
    ("DeviceFacts.hardware_hash", 32),
    ("DeviceFacts.serial_hash", 32),
    ("Gap.epoch", 16),
    ("Hello.boot_id", 16),
    ("Hello.earlier_boots", 16),
    ("Hello.epoch", 16),
    ("Hello.hardware_hash", 32),
    ("Hello.incarnation", 16),
    ("Media.serial_hash", 32),
    ("Proof.nonce", 32),
    ("Proof.public_key", 64),
    ("Proof.signature", 64),
    ("SpoolStart.boot_id", 16),
    ("SpoolState.epoch", 16),
    ("Status.boot_id", 16),
    ("Verdict.rule_set_digest", 32),
];

/// What a device sends.
const DEVICE_MESSAGES: [&str; 6] =
    ["JoinRequest", "DeliverUp", "ControlUp", "FetchRequest", "RenewRequest", "ResolveSessionRequest"];

#[test]
fn committed_code_is_what_the_contract_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root.join("proto")]).expect("the contract parses");
    let out = tempfile::tempdir().expect("a scratch folder");
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("the contract generates");
    let fresh = std::fs::read_to_string(out.path().join("lapwing.v1.rs")).expect("generated code");
    let committed = root.join("src/generated/lapwing.v1.rs");
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        std::fs::write(&committed, &fresh).expect("write generated code");
    }
    let held = std::fs::read_to_string(&committed).expect("committed code");
    assert!(held == fresh, "{} is stale: run with LAPWING_REGENERATE=1", committed.display());
}

#[test]
fn no_bytes_field_of_a_device_could_carry_an_image() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root.join("proto")]).expect("the contract parses");
    let messages: BTreeMap<_, _> =
        descriptors.file.iter().flat_map(|file| &file.message_type).map(|message| (message.name(), message)).collect();
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut queue: Vec<&str> = DEVICE_MESSAGES.to_vec();
    while let Some(name) = queue.pop() {
        if !seen.insert(name) {
            continue;
        }
        for field in &messages.get(name).unwrap_or_else(|| panic!("`{name}` is a message")).field {
            let kind = field.r#type();
            if kind == Type::Bytes {
                found.insert(format!("{name}.{}", field.name()));
            } else if kind == Type::Message {
                queue.push(field.type_name().rsplit('.').next().expect("a name"));
            }
        }
    }
    let listed: BTreeSet<_> = DEVICE_BYTES.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!(found, listed);
    let long: Vec<_> = DEVICE_BYTES.iter().filter(|(_, max)| *max > 64).map(|(field, _)| *field).collect();
    assert_eq!(long, ["JoinRequest.csr", "RenewRequest.csr", "Capture.sealed_reference"]);
}

#[test]
fn every_enum_has_an_unspecified_zero() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root.join("proto")]).expect("the contract parses");
    for set in descriptors.file.iter().flat_map(|file| &file.enum_type) {
        let zero = set.value.first().expect("a value");
        assert_eq!((zero.number(), zero.name().ends_with("_UNSPECIFIED")), (0, true), "{}", set.name());
    }
}

/// Each field and value of the contract by number, and the numbers kept for later.
fn numbers(messages: &[prost_types::DescriptorProto], enums: &[prost_types::EnumDescriptorProto]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for message in messages {
        let name = message.name();
        for field in &message.field {
            let kind = field.type_name().rsplit('.').next().filter(|of| !of.is_empty());
            let kind = kind.map_or_else(|| field.r#type().as_str_name().to_owned(), str::to_owned);
            lines.insert(format!("{name} {} {} {kind} {}", field.number(), field.name(), field.label().as_str_name()));
        }
        lines.extend(message.reserved_range.iter().map(|kept| format!("{name} reserved to {}", kept.end() - 1)));
    }
    for set in enums {
        lines.extend(set.value.iter().map(|value| format!("{} {} {}", set.name(), value.number(), value.name())));
    }
    lines
}

/// A number that once meant something never means something else. What is added to the contract is added to the
/// fixture: `LAPWING_REGENERATE=1`, and look at the difference: it may only have grown.
#[test]
fn no_number_of_the_contract_changes_its_meaning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root.join("proto")]).expect("the contract parses");
    let found: BTreeSet<String> =
        descriptors.file.iter().flat_map(|file| numbers(&file.message_type, &file.enum_type)).collect();
    let fixture = root.join("fixtures/numbers-0.1.0.txt");
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        let text: String = found.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&fixture, text).expect("write the fixture");
    }
    let held = std::fs::read_to_string(&fixture).expect("the fixture");
    let held: BTreeSet<String> = held.lines().map(str::to_owned).collect();
    assert_eq!(found, held);
}
