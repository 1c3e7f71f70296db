//! What can go wrong, in words that can be written into a file and read back.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// The agent's service.
    Agent,
    /// The collector.
    Collector,
}

/// Which programs a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Struck {
    /// One of them.
    One(Program),
    /// Both at the same moment.
    Both,
}

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The process is killed as it enters the call.
    Kill,
    /// The call fails: input or output error.
    Eio,
    /// The call fails: no space left.
    Enospc,
}

/// What goes wrong in a run.
///
/// ```
/// use e2e::faults::Fault;
///
/// let fault: Fault = "collector call pwrite64 kill 17".parse().expect("a fault");
/// assert_eq!(fault.to_string(), "collector call pwrite64 kill 17");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `PROGRAM place NAME TIME`: killed as it passes a place of its own code for the TIMEth time.
    Place(Program, String, u32),
    /// `PROGRAM call NAME OUTCOME TIME`: a system call of a library fails, or is the last, at the TIMEth of a thread.
    Call(Program, String, Outcome, u32),
    /// `agent kill`, `collector kill`, `both kill`: killed at some moment.
    Kill(Struck),
    /// `suspend`: both stand still for a while.
    Suspend,
    /// `copied`: the PC's whole state is started on another PC as well.
    Copied,
    /// `PROGRAM clock SECONDS`: the wall clock of one jumps, forward or back, and stays there.
    Clock(Program, i64),
    /// `link NAME`: what a connection between them suffers.
    Link(String),
}

impl Fault {
    /// What the table counts it under: the fault without its time.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Place(program, ..) => format!("{program} killed at a place"),
            Self::Call(program, _, Outcome::Kill, _) => format!("{program} killed at a call"),
            Self::Call(program, _, outcome, _) => format!("{program} call fails: {outcome}"),
            Self::Kill(struck) => format!("{struck} killed at any moment"),
            Self::Suspend => "both suspended".to_owned(),
            Self::Copied => "copied to another PC".to_owned(),
            Self::Clock(program, _) => format!("{program} clock jumps"),
            Self::Link(name) => format!("link {name}"),
        }
    }

    /// Where it strikes, if that can be named: what must have been struck once in a whole round.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        match self {
            Self::Place(program, name, _) => Some(format!("{program} place {name}")),
            Self::Call(program, name, Outcome::Kill, _) => Some(format!("{program} call {name}")),
            Self::Copied => Some(self.to_string()),
            Self::Call(..) | Self::Kill(_) | Self::Suspend | Self::Clock(..) | Self::Link(_) => None,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Collector => "collector",
        })
    }
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(program) => program.fmt(f),
            Self::Both => f.write_str("both"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Eio => "EIO",
            Self::Enospc => "ENOSPC",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(program, name, time) => write!(f, "{program} place {name} {time}"),
            Self::Call(program, name, outcome, time) => write!(f, "{program} call {name} {outcome} {time}"),
            Self::Kill(struck) => write!(f, "{struck} kill"),
            Self::Suspend => f.write_str("suspend"),
            Self::Copied => f.write_str("copied"),
            Self::Clock(program, seconds) => write!(f, "{program} clock {seconds}"),
            Self::Link(name) => write!(f, "link {name}"),
        }
    }
}

impl FromStr for Program {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "agent" => Ok(Self::Agent),
            "collector" => Ok(Self::Collector),
            other => bail!("`{other}` is no program"),
        }
    }
}

impl FromStr for Outcome {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "kill" => Ok(Self::Kill),
            "EIO" => Ok(Self::Eio),
            "ENOSPC" => Ok(Self::Enospc),
            other => bail!("`{other}` is nothing that becomes of a call"),
        }
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [program, "place", name, time] => Ok(Self::Place(program.parse()?, (*name).to_owned(), time.parse()?)),
            [program, "call", name, outcome, time] => {
                Ok(Self::Call(program.parse()?, (*name).to_owned(), outcome.parse()?, time.parse()?))
            }
            ["both", "kill"] => Ok(Self::Kill(Struck::Both)),
            [program, "kill"] => Ok(Self::Kill(Struck::One(program.parse()?))),
            ["suspend"] => Ok(Self::Suspend),
            ["copied"] => Ok(Self::Copied),
            [program, "clock", seconds] => Ok(Self::Clock(program.parse()?, seconds.parse().context("seconds")?)),
            ["link", name] => Ok(Self::Link((*name).to_owned())),
            _ => bail!("`{text}` is no fault"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_back_as_it_was_written() {
        for text in [
            "agent place spool.append.after 3",
            "collector call fdatasync EIO 2",
            "both kill",
            "agent kill",
            "suspend",
            "copied",
            "agent clock -94608000",
            "link cut",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["", "pupil kill", "agent place x", "agent call x melt 1"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
