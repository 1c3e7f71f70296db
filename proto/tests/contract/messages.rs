//! Every message as this release writes it, kept: later code has to read it and write the same, and this code reads what a
//! later minor adds to it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops where it goes wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lapwing_proto::wire;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

/// Reads bytes as a message and writes it again.
type Rewrite = fn(&[u8]) -> Result<Vec<u8>, prost::DecodeError>;

macro_rules! messages {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |bytes| Ok(wire::$name::decode(bytes)?.encode_to_vec()))),*]
    };
}

const MESSAGES: &[(&str, Rewrite)] = messages![
    Account,
    Ack,
    ApprovedMedium,
    Available,
    Batch,
    Capture,
    ChallengeRequest,
    ChallengeResponse,
    ControlDown,
    ControlUp,
    Count,
    Counters,
    DeliverDown,
    DeliverUp,
    DeviceFacts,
    Diagnostic,
    Exception,
    Excerpt,
    Exemption,
    ExemptionList,
    FetchChunk,
    FetchRequest,
    Gap,
    GoAway,
    Goodbye,
    Held,
    Hello,
    Hit,
    JoinRequest,
    JoinResponse,
    LaneMark,
    LaneState,
    Media,
    Proof,
    Reconnect,
    Refusal,
    RenewNow,
    RenewRequest,
    RenewResponse,
    ResolveSessionRequest,
    ResolveSessionResponse,
    SensorState,
    SignedExemptions,
    SlowDown,
    Span,
    SpoolStart,
    SpoolState,
    Status,
    StatusReceived,
    Verdict,
    Welcome,
];

/// A field number that no message has: what a later minor may add.
const LATER_FIELD: u64 = 40;

struct Contract(BTreeMap<String, DescriptorProto>);

impl Contract {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root]).expect("the contract parses");
        let messages = descriptors.file.into_iter().flat_map(|file| file.message_type);
        Self(messages.map(|message| (message.name().to_owned(), message)).collect())
    }

    /// Every message with all of its fields set, and one for each thing that it may be one of.
    fn samples(&self) -> BTreeMap<String, Vec<u8>> {
        let mut samples = BTreeMap::new();
        for (name, message) in &self.0 {
            let choices: Vec<_> = message.field.iter().filter(|field| field.oneof_index.is_some()).collect();
            if choices.is_empty() {
                samples.insert(name.clone(), self.sample(name, None));
            }
            for choice in choices {
                samples.insert(format!("{name}.{}", choice.name()), self.sample(name, Some(choice.name())));
            }
        }
        samples
    }

    fn sample(&self, name: &str, choice: Option<&str>) -> Vec<u8> {
        let message = self.0.get(name).unwrap_or_else(|| panic!("`{name}` is a message"));
        let mut fields: Vec<_> = message.field.iter().collect();
        fields.sort_by_key(|field| field.number());
        let first = fields.iter().find(|field| field.oneof_index.is_some()).map(|field| field.name());
        let chosen = choice.or(first);
        let is_set = |field: &&FieldDescriptorProto| field.oneof_index.is_none() || Some(field.name()) == chosen;
        fields.into_iter().filter(is_set).flat_map(|field| self.field(field)).collect()
    }

    /// A repeated field twice.
    fn field(&self, field: &FieldDescriptorProto) -> Vec<u8> {
        let number = u64::try_from(field.number()).expect("a field number");
        let times = if field.label() == Label::Repeated { 2 } else { 1 };
        let value = self.value(field);
        if field.r#type() != Type::Message && field.r#type() != Type::String && field.r#type() != Type::Bytes {
            if times == 2 {
                return tagged(number, &value.repeat(2));
            }
            return [varint(number << 3), value].concat();
        }
        tagged(number, &value).repeat(times)
    }

    fn value(&self, field: &FieldDescriptorProto) -> Vec<u8> {
        let number = u64::try_from(field.number()).expect("a field number");
        match field.r#type() {
            Type::Message => self.sample(field.type_name().rsplit('.').next().expect("a name"), None),
            Type::String => format!("text {number}").into_bytes(),
            Type::Bytes => vec![u8::try_from(number).expect("a small number"); 16],
            Type::Bool | Type::Enum => varint(1),
            Type::Uint32 | Type::Uint64 | Type::Int32 | Type::Int64 => varint(1_000 + number),
            Type::Double
            | Type::Float
            | Type::Fixed64
            | Type::Fixed32
            | Type::Group
            | Type::Sfixed32
            | Type::Sfixed64
            | Type::Sint32
            | Type::Sint64 => panic!("how `{}` is written is not told here", field.name()),
        }
    }
}

fn tagged(number: u64, bytes: &[u8]) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).expect("a length");
    [varint((number << 3) | 2), varint(length), bytes.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("7 bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("7 bits"));
    bytes
}

fn rewrite(sample: &str, bytes: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    let name = sample.split('.').next().expect("a name");
    let (_, rewrite) = MESSAGES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("`{name}` is known"));
    rewrite(bytes)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages-0.1.0.txt")
}

/// By name.
fn kept() -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(fixture()).expect("the fixture");
    let line = |line: &str| {
        let (name, digits) = line.split_once(' ').expect("a name and digits");
        (name.to_owned(), data_encoding::HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal"))
    };
    text.lines().map(line).collect()
}

/// `LAPWING_REGENERATE=1` adds messages that are new; what is kept stays as it was written.
#[test]
fn every_message_of_this_release_is_read_and_written_the_same() {
    let samples = Contract::read().samples();
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        let all = samples.clone().into_iter().chain(kept()).collect::<BTreeMap<_, _>>();
        let line = |(name, bytes): (&String, &Vec<u8>)| format!("{name} {}\n", data_encoding::HEXLOWER.encode(bytes));
        std::fs::write(fixture(), all.iter().map(line).collect::<String>()).expect("write the fixture");
    }
    let kept = kept();
    assert!(kept.len() > 50);
    for (name, bytes) in &kept {
        assert_eq!(rewrite(name, bytes).as_ref(), Ok(bytes), "{name}");
    }
    let missing: Vec<_> = samples.keys().filter(|name| !kept.contains_key(*name)).collect();
    assert!(missing.is_empty(), "not in the fixture: {missing:?}");
}

#[test]
fn what_a_later_minor_adds_is_passed_over() {
    for (name, bytes) in kept() {
        let more = [bytes.clone(), tagged(LATER_FIELD, b"of tomorrow"), [varint(LATER_FIELD << 3), varint(7)].concat()]
            .concat();
        assert_eq!(rewrite(&name, &more), Ok(bytes), "{name}");
    }
}

#[test]
fn every_message_is_looked_at() {
    let contract = Contract::read();
    let known: BTreeSet<_> = MESSAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, contract.0.keys().cloned().collect());
    let taken = contract.0.values().flat_map(|message| &message.field);
    assert!(taken.into_iter().all(|field| u64::try_from(field.number()) != Ok(LATER_FIELD)), "another number is free");
}
