//! Generated from `proto/lapwing/v1/lapwing.proto`; see `tests/contract.rs` for how to write it anew.

#![expect(missing_docs, clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]

include!("generated/lapwing.v1.rs");
