//! What the end-to-end stories and the demonstration are made of: real programs, a real desktop, and the people who
//! use them.
//!
//! [`Classroom`] opens a sample [`School`] with a PC; [`Desktop`], [`Browser`], [`Stick`] and [`Mailbox`] are what people
//! touch; [`Console`] is a person at the console, through its own pages. Waiting is
//! [`eventually`], never a sleep.

#![forbid(unsafe_code)]

mod account;
mod agent;
mod at_console;
mod authenticator;
mod browser;
mod certificates;
mod chaos;
mod classroom;
mod clones;
mod console;
mod day;
mod desktop;
mod drill;
mod eventually;
mod evidence;
pub mod faults;
mod fleet;
mod herd;
mod in_time;
mod mailbox;
mod pages;
mod pc;
pub mod powercut;
mod private;
mod programs;
mod relay;
mod rollout;
mod running;
mod school;
mod signing;
mod stick;
mod traces;

pub use account::Account;
pub use agent::Agent;
pub use at_console::AtConsole;
pub use authenticator::Authenticator;
pub use browser::{Browser, Extension};
pub use certificates::certificates;
pub use chaos::{Chaos, Fault, Plan, Way};
pub use classroom::{Classroom, Desk};
pub use clones::{Clones, ClonesReport};
pub use console::{Console, Page, Row};
pub use day::{Expected, Lesson, Report, Room, Stimulus, TIMETABLE, Who, all_rows, play};
pub use desktop::{Desktop, Window};
pub use drill::DrillReport;
pub use eventually::{eventually, eventually_within};
pub use evidence::{spooled, stored};
pub use fleet::{
    Agents, Crew, Delivered, Device, Fleet, LaneAccount, Load, OpenFiles, Pace, Site, Until, Writer, raise_open_files,
};
pub use herd::{Goal, Herd, HerdReport};
pub use in_time::in_time;
pub use mailbox::Mailbox;
pub use pages::Pages;
pub use pc::{Pc, PcClock, Setup};
pub use private::{Privileges, privileges};
pub use programs::Programs;
pub use relay::Relay;
pub use rollout::Rollout;
pub use running::Running;
pub use school::{PASSWORD, PEOPLE, Person, School, device_works};
pub use stick::Stick;
pub use traces::Traces;
