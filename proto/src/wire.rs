//! Generated from `proto/lapwing/v1/lapwing.proto`; see `tests/contract.rs` for how to write it anew.

#![allow(
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code, which changes with its generator"
)]

include!("generated/lapwing.v1.rs");
