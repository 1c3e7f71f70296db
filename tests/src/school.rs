//! A sample school: its people, its collector, its PC.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::signing::{self, Signing, finish};
use crate::{Agent, Authenticator, Console, Mailbox, Programs, Running, eventually};

/// The password of everybody in the sample school.
pub const PASSWORD: &str = "a long sample pass phrase";

/// Somebody of the sample school who signs in to the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Sign-in name.
    pub login: &'static str,
    /// Name in the roster.
    pub name: &'static str,
    /// Roles, as in people.csv.
    pub roles: &'static str,
}

/// Everybody who signs in to the console.
pub const PEOPLE: [Person; 6] = [
    Person { login: "dsl", name: "Dana Sample", roles: "dsl" },
    Person { login: "deputy", name: "Devi Sample", roles: "deputy_dsl" },
    Person { login: "head", name: "Hari Sample", roles: "headteacher" },
    Person { login: "chair", name: "Chris Sample", roles: "chair" },
    Person { login: "technician", name: "Tess Sample", roles: "technician" },
    Person { login: "governor", name: "Gwen Sample", roles: "governor" },
];

/// A running collector with the sample school's people, rule set and policy.
#[derive(Debug)]
pub struct School {
    programs: &'static Programs,
    folder: PathBuf,
    logs: PathBuf,
    signing: Signing,
    ready: Ready,
    collector: Option<Running>,
    /// Where its mails go.
    pub mailbox: Mailbox,
    /// By sign-in name.
    staff: Mutex<BTreeMap<String, Signed>>,
}

/// Somebody's window at the console, and their phone.
#[derive(Debug)]
struct Signed {
    console: Console,
    phone: Option<Authenticator>,
}

/// The collector's first line.
#[derive(Clone, Debug, Deserialize)]
struct Ready {
    enrol: SocketAddr,
    uplink: SocketAddr,
    console: SocketAddr,
}

impl School {
    /// Makes keys, compiles and signs the packs and the policy, starts the mail server and the collector, and brings
    /// the people in. `accounts` are (account, name, role, class, band) of those who use the PC.
    ///
    /// # Errors
    ///
    /// When a program fails; the error says what it printed.
    pub async fn open(folder: &Path, accounts: &[[String; 5]]) -> anyhow::Result<Self> {
        Self::open_with(Programs::built()?, folder, accounts).await
    }

    /// As [`School::open`], with other programs than those under test elsewhere.
    ///
    /// # Errors
    ///
    /// When a program fails; the error says what it printed.
    pub async fn open_with(
        programs: &'static Programs,
        folder: &Path,
        accounts: &[[String; 5]],
    ) -> anyhow::Result<Self> {
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs)?;
        let signing = Signing::make(programs, folder)?;
        let mailbox = Mailbox::start(folder, &logs)?;
        let nothing = Ready {
            enrol: SocketAddr::from(([127, 0, 0, 1], 0)),
            uplink: SocketAddr::from(([127, 0, 0, 1], 0)),
            console: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut school = Self {
            programs,
            folder: folder.to_owned(),
            logs,
            signing,
            ready: nothing,
            collector: None,
            mailbox,
            staff: Mutex::default(),
        };
        school.write_config()?;
        school.bring_in_people(accounts)?;
        school.collect(&["rules", "publish"], &[&school.folder.join("rules.lwrs")])?;
        school.collect(&["policy", "publish"], &[&school.folder.join("policy.lwpl")])?;
        school.start_collector()?;
        // From here on a restart keeps the ports: agents know them.
        school.write_config()?;
        Ok(school)
    }

    /// Starts the collector again after [`School::kill_collector`].
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_collector(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.programs.collector);
        command.arg("serve").arg("--config").arg(self.config());
        let (collector, line) = Running::start_until_line("collector", command, &self.logs)?;
        self.ready = serde_json::from_str(&line).with_context(|| format!("not a ready line: {line}"))?;
        self.collector = Some(collector);
        Ok(())
    }

    /// Stops the collector.
    ///
    /// # Errors
    ///
    /// When it does not stop.
    pub async fn stop_collector(&mut self) -> anyhow::Result<()> {
        self.collector.take().context("the collector runs")?.stop().await?;
        Ok(())
    }

    /// Kills the collector without a chance to tidy up.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill_collector(&mut self) -> anyhow::Result<()> {
        self.collector.take().context("the collector runs")?.kill()
    }

    /// The collector's process id, while it runs.
    #[must_use]
    pub fn collector_id(&self) -> Option<u32> {
        self.collector.as_ref().map(Running::id)
    }

    /// The console's address, such as `https://localhost:8443`.
    #[must_use]
    pub fn console_url(&self) -> String {
        format!("https://localhost:{}", self.ready.console.port())
    }

    /// Somebody signed in at the console; while they stay so, another window of the same session.
    ///
    /// # Errors
    ///
    /// When they cannot sign in.
    pub async fn signed_in(&self, login: &str) -> anyhow::Result<Console> {
        let mut staff = self.staff.lock().await;
        let phone = match staff.get(login) {
            Some(signed) => {
                let mut console = signed.console.moved_to(self.ready.console);
                if console.is_signed_in().await? {
                    return Ok(console);
                }
                signed.phone.clone()
            }
            None => None,
        };
        let console = Console::visit(self.ready.console, &self.folder.join("authority.pem"))?;
        let mut signed = Signed { console, phone };
        signed.console.sign_in(login, PASSWORD, &mut signed.phone).await?;
        let console = signed.console.clone();
        staff.insert(login.to_owned(), signed);
        Ok(console)
    }

    /// A code of somebody's phone, for a browser that they sign in with. Whoever has not set one up yet does.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub async fn code(&self, login: &str) -> anyhow::Result<String> {
        drop(self.signed_in(login).await?);
        let mut staff = self.staff.lock().await;
        let phone = staff.get_mut(login).and_then(|signed| signed.phone.as_mut());
        phone.with_context(|| format!("`{login}` has a phone"))?.code().await
    }

    /// Where the collector takes deliveries.
    #[must_use]
    pub fn uplink(&self) -> SocketAddr {
        self.ready.uplink
    }

    /// Where devices enrol.
    #[must_use]
    pub fn enrol(&self) -> SocketAddr {
        self.ready.enrol
    }

    /// Where the collector listens: for enrolment, for deliveries, for people.
    #[must_use]
    pub fn addresses(&self) -> [SocketAddr; 3] {
        [self.ready.enrol, self.ready.uplink, self.ready.console]
    }

    /// The collector's data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("collector")
    }

    /// The collector's database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data().join("lapwing.db")
    }

    /// The collector's keys folder.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.folder.join("collector-keys")
    }

    /// How many captures the collector has stored.
    ///
    /// # Errors
    ///
    /// When the database or its keys cannot be read.
    pub async fn captures(&self) -> anyhow::Result<usize> {
        Ok(crate::stored(&self.database(), &self.keys(), "sample").await?.len())
    }

    /// What Lapwing's own programs have logged, all in one.
    ///
    /// # Errors
    ///
    /// When a log cannot be read.
    pub fn own_logs(&self) -> anyhow::Result<String> {
        let mut logs = String::new();
        for entry in std::fs::read_dir(&self.logs)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == "agent.log" || name == "collector.log" || name.starts_with("session-") {
                logs.push_str(&String::from_utf8_lossy(&std::fs::read(&path)?));
            }
        }
        Ok(logs)
    }

    /// Where this school's files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where programs write their logs.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Sets a PC up as MDM does, with a campaign token, and starts the agent's service. `folders` are watched besides
    /// the Downloads and Desktop of every account.
    ///
    /// # Errors
    ///
    /// When it cannot be set up.
    pub fn start_agent(&self, name: &str, folders: &[PathBuf]) -> anyhow::Result<Agent> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        // Everybody at the PC runs the agent's program, and nobody may look into a developer's home.
        let program = folder.join("lapwing-agent");
        std::fs::copy(&self.programs.agent, &program).context("failed to install the agent")?;
        let token = self.collect(&["token", "create", "--group", "sample-room", "--uses", "1"], &[])?;
        std::fs::write(folder.join("token"), token.trim())?;
        let config = folder.join("agent.toml");
        std::fs::write(&config, self.agent_config(&folder, &self.fingerprint()?, folders))?;
        let token = token.trim().to_owned();
        let mut agent = Agent { folder, program, config, token, logs: self.logs.clone(), service: None };
        agent.start()?;
        Ok(agent)
    }

    fn agent_config(&self, folder: &Path, fingerprint: &str, watched: &[PathBuf]) -> String {
        format!(
            "state_dir = \"{state}\"\nsocket = \"{socket}\"\nroom = \"Room 12\"\ngroup = \"sample-room\"\n\n\
             [collector]\nenrol = \"https://localhost:{enrol}\"\nuplink = \"https://localhost:{uplink}\"\n\
             ca_fingerprint = \"{fingerprint}\"\n\n\
             [enrol]\ntoken_file = \"{token}\"\n\n\
             {trust}\n\
             [files]\nfolders = {watched:?}\n",
            state = folder.join("state").display(),
            socket = folder.join("agent.sock").display(),
            enrol = self.ready.enrol.port(),
            uplink = self.ready.uplink.port(),
            token = folder.join("token").display(),
            trust = self.signing.trust(),
        )
    }

    /// Of the authority that issues certificates now.
    pub(crate) fn fingerprint(&self) -> anyhow::Result<String> {
        let authority: serde_json::Value = serde_json::from_str(&self.collect(&["ca", "export", "--json"], &[])?)?;
        let fingerprint = authority.get("fingerprint").and_then(|value| value.as_str());
        fingerprint.map(str::to_owned).context("an authority has a fingerprint")
    }

    /// Its signing keys.
    pub(crate) fn signing(&self) -> &Signing {
        &self.signing
    }

    /// Compiles and signs the packs as another release.
    ///
    /// # Errors
    ///
    /// When the tool fails.
    pub fn compile_rules(&self, release: u64) -> anyhow::Result<PathBuf> {
        let set = self.folder.join(format!("rules-{release}.lwrs"));
        self.signing.compile(release, &signing::packs(), &set)?;
        Ok(set)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("collector.toml")
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let text = format!(
            "data_dir = \"{data}\"\nkeys_dir = \"{keys}\"\nhost_names = [\"localhost\"]\n\n\
             [school]\nid = \"sample\"\nname = \"Sample School\"\nzone = \"Europe/London\"\n\n\
             [listen]\nenrol = \"{enrol}\"\nuplink = \"{uplink}\"\nconsole = \"{console}\"\n\n\
             {trust}\n\
             [smtp]\nhost = \"localhost\"\nport = {port}\ntls = \"starttls\"\nextra_ca = \"{authority}\"\n\
             from = \"lapwing@sample.example\"\n",
            data = self.data().display(),
            keys = self.keys().display(),
            enrol = self.ready.enrol,
            uplink = self.ready.uplink,
            console = self.ready.console,
            trust = self.signing.trust(),
            port = self.mailbox.port(),
            authority = self.mailbox.authority().display(),
        );
        std::fs::write(self.config(), text).context("failed to write collector.toml")
    }

    fn bring_in_people(&self, accounts: &[[String; 5]]) -> anyhow::Result<()> {
        let mut roster = "account,name,role,class,band,mail\n".to_owned();
        for [account, name, role, class, band] in accounts {
            roster.push_str(&format!("{account},{name},{role},{class},{band},\n"));
        }
        for person in PEOPLE {
            roster.push_str(&format!(
                "{0},{1},staff;{2},,staff,{0}@sample.example\n",
                person.login, person.name, person.roles
            ));
        }
        let file = self.folder.join("people.csv");
        std::fs::write(&file, roster)?;
        self.collect(&["people", "import"], &[&file])?;
        let password = self.folder.join("password");
        std::fs::write(&password, PASSWORD)?;
        for person in PEOPLE {
            self.collect(
                &["user", "add", "--login", person.login, "--account", person.login, "--password-file"],
                &[&password],
            )?;
        }
        let authority: serde_json::Value = serde_json::from_str(&self.collect(&["ca", "export", "--json"], &[])?)?;
        let pem = authority.get("pem").and_then(|value| value.as_str()).context("an authority has a certificate")?;
        std::fs::write(self.folder.join("authority.pem"), pem).context("failed to write authority.pem")
    }

    /// Runs a command of the collector to its end and gives what it printed.
    ///
    /// # Errors
    ///
    /// When it fails; the error says what it printed.
    pub fn collect(&self, words: &[&str], paths: &[&Path]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.programs.collector);
        command.args(words).args(paths).arg("--config").arg(self.config());
        finish(command)
    }
}

/// Waits until the technician's page shows the PC at work, with nothing blind.
///
/// # Errors
///
/// When it does not within 30 seconds; the error holds what the page shows.
pub async fn device_works(technician: &mut Console) -> anyhow::Result<()> {
    let mut shown = String::new();
    let works = eventually("the devices page to show the PC at work", async || {
        shown = technician.get("/devices").await.ok()?.body;
        shown.contains("class=\"device working\"").then_some(())
    });
    let outcome = works.await;
    outcome.with_context(|| shown)
}
