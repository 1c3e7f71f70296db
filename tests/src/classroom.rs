//! A school, its PC, and the people who sit at it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{Account, Agent, Browser, Desktop, Extension, Pages, Privileges, Room, Running, School, Who, eventually};

/// Everything a story happens in; ends with it.
#[derive(Debug)]
pub struct Classroom {
    // Dropped in this order: people leave before the PC stops, and the folder goes last.
    desks: BTreeMap<Who, Desk>,
    /// The agent on the PC.
    pub agent: Agent,
    /// The collector and its people.
    pub school: School,
    pages: Pages,
    others: Vec<Child>,
    privileges: Privileges,
    scratch: TempDir,
}

/// Somebody's place at the PC.
#[derive(Debug)]
pub struct Desk {
    /// Their browser, where they have one.
    pub browser: Option<Browser>,
    /// The agent's part in their session.
    pub session: Running,
    /// Their screen.
    pub desktop: Desktop,
}

impl Classroom {
    /// Opens a school and starts the agent; nobody has signed in yet.
    ///
    /// # Errors
    ///
    /// When a program does not start.
    pub async fn open(privileges: Privileges) -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("lapwing-school-").tempdir()?;
        let_through(scratch.path())?;
        let roster =
            [(Who::Pupil, ["Sam Pupil", "pupil", "8B", "ks3"]), (Who::Staff, ["Sacha Staff", "staff", "", "staff"])];
        let class = [(Who::Class, ["Class 3 log-on", "shared", "3A", "shared"])];
        let people = accounts(privileges, scratch.path())?;
        let rows: Vec<_> = roster
            .iter()
            .chain(&class)
            .filter_map(|(who, [name, role, group, band])| {
                Some([people.get(who)?.name(), name, role, group, band].map(str::to_owned))
            })
            .collect();
        let school = School::open(scratch.path(), &rows).await?;
        // Without root the pupil's home is no account's: it has to be named.
        let watched = match privileges {
            Privileges::Root => Vec::new(),
            Privileges::User => people.values().map(|account| account.home().join("Downloads")).collect(),
        };
        let agent = school.start_agent("pc", &watched)?;
        if privileges == Privileges::Root {
            Browser::install_forced(&school.folder().join("browser"), &agent)?;
        }
        let pages = Pages::start().await?;
        Ok(Self { desks: BTreeMap::new(), agent, school, pages, others: Vec::new(), privileges, scratch })
    }

    /// Signs somebody in at the PC, where this process may act for them.
    ///
    /// # Errors
    ///
    /// When the screen or the agent's session role does not start.
    pub async fn sign_in(&mut self, who: Who) -> anyhow::Result<()> {
        let people = accounts(self.privileges, self.scratch.path())?;
        let account = people.get(&who).with_context(|| format!("no account for {who:?} here"))?;
        let desktop = Desktop::sign_in(account, self.school.logs()).await?;
        let session = self.agent.start_session(&desktop)?;
        self.desks.insert(who, Desk { browser: None, session, desktop });
        Ok(())
    }

    /// Starts the browser of somebody who is signed in.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start_browser(&mut self, who: Who) -> anyhow::Result<()> {
        let extension = match self.privileges {
            Privileges::Root => Extension::Forced,
            Privileges::User => Extension::Unpacked,
        };
        let desk = self.desks.get_mut(&who).with_context(|| format!("{who:?} is not signed in"))?;
        let browser = Browser::start(&desk.desktop, &self.pages, extension, &self.agent, self.school.logs());
        desk.browser = Some(browser.await?);
        Ok(())
    }

    /// Somebody's place.
    ///
    /// # Errors
    ///
    /// When they are not signed in.
    pub fn desk(&mut self, who: Who) -> anyhow::Result<&mut Desk> {
        self.desks.get_mut(&who).with_context(|| format!("{who:?} is not signed in"))
    }

    /// Somebody's screen.
    ///
    /// # Errors
    ///
    /// When they are not signed in.
    pub fn desktop(&self, who: Who) -> anyhow::Result<&Desktop> {
        self.desks.get(&who).map(|desk| &desk.desktop).with_context(|| format!("{who:?} is not signed in"))
    }

    /// Waits until the agent has spooled `count` captures since it was started first.
    ///
    /// # Errors
    ///
    /// When it has not within 30 seconds.
    pub async fn spooled(&self, count: usize) -> anyhow::Result<()> {
        let log = self.school.logs().join("agent.log");
        eventually(&format!("{count} captures in the spool"), async || {
            let text = std::fs::read_to_string(&log).ok()?;
            (text.matches("a capture is spooled").count() >= count).then_some(())
        })
        .await
    }

    /// Keeps a program of a story's own until the classroom closes.
    pub fn also_running(&mut self, child: Child) {
        self.others.push(child);
    }

    /// What the timetable is played on.
    #[must_use]
    pub fn room(&self) -> Room<'_> {
        Room {
            desktops: self.desks.iter().map(|(who, desk)| (*who, &desk.desktop)).collect(),
            browsers: self.desks.iter().filter_map(|(who, desk)| Some((*who, desk.browser.as_ref()?))).collect(),
            sticks: (self.privileges == Privileges::Root).then_some(self.school.folder()),
        }
    }

    /// Waits until the technician's page shows the PC at work, with nothing blind.
    ///
    /// # Errors
    ///
    /// When it does not within 30 seconds.
    pub async fn device_works(&self) -> anyhow::Result<()> {
        let mut technician = self.school.signed_in("technician").await?;
        crate::device_works(&mut technician).await
    }
}

/// Who can sit at the PC: three accounts as root, otherwise whoever runs this, as the pupil.
fn accounts(privileges: Privileges, scratch: &Path) -> anyhow::Result<BTreeMap<Who, Account>> {
    match privileges {
        Privileges::Root => [(Who::Pupil, "lw-pupil"), (Who::Staff, "lw-staff"), (Who::Class, "lw-class")]
            .into_iter()
            .map(|(who, name)| Ok((who, Account::named(name)?)))
            .collect(),
        Privileges::User => {
            let home = scratch.join("home");
            std::fs::create_dir_all(home.join("Downloads"))?;
            Ok(BTreeMap::from([(Who::Pupil, Account::own(home)?)]))
        }
    }
}

/// Lets the PC's accounts reach what they own inside the scratch folder.
fn let_through(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).context("failed to open the folder")
}

impl Drop for Classroom {
    fn drop(&mut self) {
        for child in &mut self.others {
            // It may have ended by itself; there is nobody left to tell.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
