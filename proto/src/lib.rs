//! The wire contract between agent and collector: generated messages, identifiers, and the checked form of a
//! capture.
//!
//! [`wire`] is generated from `proto/lapwing/v1/lapwing.proto` and committed; a test regenerates it. What arrives is
//! hostile until it went through [`Capture::try_from`].

#![forbid(unsafe_code)]

pub mod bounds;
mod capture;
mod convert;
mod diagnostic;
mod exemptions;
#[doc(hidden)]
pub mod failpoint;
pub mod firmware;
mod ids;
pub mod joining;
pub mod wire;

pub use capture::{Account, Bus, Capture, Category, Excerpt, Hit, Media, Open, Signal, Verdict};
pub use convert::{band_from_wire, band_to_wire};
pub use diagnostic::DiagnosticCode;
pub use exemptions::{ApprovedMedium, Exemption, ExemptionId, ExemptionList, ExemptionsRefused};
#[doc(hidden)]
pub use ids::parts;
pub use ids::{BootId, DeviceId, Epoch, Incarnation, InvalidBytes, SchoolId, Seq};

/// Minor version of the contract this build speaks.
pub const MINOR: u32 = 1;

/// Oldest minor a collector of this build serves.
pub const OLDEST_MINOR: u32 = 0;
