//! `user`: who may sign in to the console. What they may see follows from their roles in the list of people.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{ConfigFile, Desk, Failure, read_given, say};
use crate::actor::PersonId;
use crate::audit::{self, Act, ActKind};
use crate::people::person_of;
use crate::seal::Vault;
use crate::store::sign_ins::{self, Login, MAX_PASSWORD_BYTES, NewSignIn, hash_password};
use crate::store::{people, second_steps, web_sessions};
use crate::triage;

const MAX_MAIL_BYTES: usize = 254;
/// A password and the end of its line.
const MAX_READ_BYTES: u64 = MAX_PASSWORD_BYTES as u64 + 2;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Let a person of the list sign in, or give them a new password: it is read from a file or standard input.
    Add(Add),
    /// Forget a person's authenticator and recovery codes, for whoever lost their phone: their sessions end, and they set one
    /// up again at their next sign-in. Make sure that it is them who ask, and give them a new password with it.
    ResetSecondStep(ResetSecondStep),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Name to sign in with.
    #[arg(long)]
    login: Login,
    /// Account of the person in the list of people [default: the sign-in name].
    #[arg(long)]
    account: Option<String>,
    /// Address for notifications, where it is not the one in the list of people.
    #[arg(long, default_value = "")]
    mail: String,
    /// File that holds the password alone [default: standard input].
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct ResetSecondStep {
    /// Name they sign in with.
    #[arg(long)]
    login: Login,
    #[command(flatten)]
    file: ConfigFile,
}

impl User {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run().await,
            Self::ResetSecondStep(reset) => reset.run().await,
        }
    }
}

impl ResetSecondStep {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let (school, now_us) = (&desk.config.school.id, desk.clock.wall_us());
        let Some(sign_in) = sign_ins::find(&desk.store, school, &self.login).await? else {
            return Err(Failure::Unusable(anyhow!("nobody signs in as that, or they have left")));
        };
        let vault = Vault::open(&desk.config.keys_dir, school.clone()).await.context("failed to open the keys")?;
        let mut tx = desk.store.begin().await?;
        let key = second_steps::forget(&mut tx, school, sign_in.person).await?;
        web_sessions::end_all(&mut tx, school, sign_in.person).await?;
        let act = Act::new(&desk.product(), now_us, ActKind::SecondStepForgotten, sign_in.person);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        if let Some(key) = key {
            vault.erase(key).await.context("failed to erase a key")?;
        }
        desk.store.close().await;
        let login = self.login.as_str();
        say(match key {
            Some(_) => format!(
                "{login} sets an authenticator up at the next sign-in. Until then the password is all there is: give them a new \
                 one in person (`user add --login {login}`)"
            ),
            None => format!("{login} had none: they set one up at the next sign-in"),
        })
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        if self.mail.len() > MAX_MAIL_BYTES || (!self.mail.is_empty() && !self.mail.contains('@')) {
            return Err(Failure::Unusable(anyhow!("`--mail` is no mail address")));
        }
        let password = self.password()?;
        let password = hash_password(password.trim_end_matches(['\r', '\n'])).map_err(Failure::unusable)?;
        let desk = self.file.open().await?;
        let person = self.person(&desk).await?;
        let (school, now_us) = (&desk.config.school.id, desk.clock.wall_us());
        let sign_in = NewSignIn { login: self.login, person, mail: self.mail, password };
        sign_ins::add(&desk.store, school, &sign_in, now_us).await?;
        // Whoever can be reached now is shown what waited for somebody who can be reached.
        let mut tx = desk.store.begin().await?;
        triage::reroute(&mut tx, &desk.product(), now_us).await?;
        tx.commit().await?;
        desk.store.close().await;
        say(format!("{} may sign in", sign_in.login.as_str()))
    }

    async fn person(&self, desk: &Desk) -> Result<PersonId, Failure> {
        let account = self.account.as_deref().unwrap_or(self.login.as_str());
        let person = person_of(&desk.store, &desk.config.school.id, account).await?;
        let Some(person) = person else {
            return Err(Failure::Unusable(anyhow!("no person of the list has that account: import people first")));
        };
        if people::is_here(&desk.store, &desk.config.school.id, person).await? {
            return Ok(person);
        }
        Err(Failure::Unusable(anyhow!("that person has left: an import with them in it brings them back")))
    }

    fn password(&self) -> Result<Zeroizing<String>, Failure> {
        let bytes = match &self.password_file {
            Some(file) => Zeroizing::new(read_given(file, MAX_READ_BYTES)?),
            None => read_standard_input()?,
        };
        let text = std::str::from_utf8(&bytes).context("the password is not UTF-8").map_err(Failure::Unusable)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn read_standard_input() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        let reason = anyhow!("a terminal would show the password: give it by `--password-file` or a pipe");
        return Err(Failure::Unusable(reason));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    input.lock().take(MAX_READ_BYTES).read_to_end(&mut bytes).context("failed to read standard input")?;
    Ok(bytes)
}
