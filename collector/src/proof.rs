//! Proof that monitoring works: silence is seen, what is expected is counted, and checks are logged.
//!
//! ```text
//! last words, goodbyes, calendar -> silence (pure) -> one notice a room -> technicians, then the DSL
//! device list of the MDM         -> expected       -> expected, heard today, never heard
//! daily check of each device     -> canary (pure)  -> checks log <- what people tested themselves
//! ```
//!
//! The decisions are pure; [`Lookout`] carries them out once a minute.

pub(crate) mod canary;
pub mod checks;
mod daily;
pub mod expected;
pub mod filter;
mod lookout;
pub(crate) mod silence;

pub use lookout::Lookout;
