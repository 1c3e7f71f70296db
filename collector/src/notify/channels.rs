//! The ways that messages go out by, set up from the configuration and swapped whole.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use lapwing_proto::SchoolId;
use rustls::RootCertStore;

use super::failure::Failure;
use super::files::{self, FileError};
use super::letter::Letter;
use super::mailer::{Mailer, MailerError};
use super::post::Poster;
use super::teams;
use super::webhook::{self, Secrets};
use crate::config::{self, Config, Notices, Shared, Way};
use crate::ids::{InvalidId, MessageId};
use crate::store::channels::{self, Listed};
use crate::store::{StoreError, Tx};

/// Name of the channel that goes by mail.
pub(crate) const MAIL: &str = "mail";

/// What a channel goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// To a person's address.
    Mail,
    /// A signed webhook.
    Webhook,
    /// A Teams workflow.
    Teams,
}

/// Every way that messages go out by.
pub struct Channels {
    mailer: Option<Arc<Mailer>>,
    shared: BTreeMap<String, Arc<Target>>,
    /// When the day's messages are made, and for whom.
    pub(super) notices: Notices,
    /// Where people sign in.
    pub(super) sign_in: String,
}

/// A channel that several people may read.
pub(super) struct Target {
    name: String,
    /// Accounts of everybody who reads it.
    pub(super) readers: Vec<String>,
    poster: Poster,
    form: Form,
}

/// What is posted.
enum Form {
    Webhook(Secrets),
    Teams,
}

/// Why channels cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailerError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds no secret.
    #[error("`{}` does not hold one or two lines like `whsec_<base64 of 24 to 64 bytes>`", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no address.
    #[error("`{}` does not hold an https URL alone", path.display())]
    Address {
        /// The file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS to a shared channel")]
    Tls(#[from] rustls::Error),
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Mail, Self::Webhook, Self::Teams];

    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Teams => "teams",
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "mail, webhook or teams";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "channel", expected })
    }
}

impl Channels {
    /// Sets up what `config` names. The console is at `port`, unless the configuration says otherwise.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]. Nothing is connected yet.
    pub fn new(config: &Config, port: u16) -> Result<Self, ChannelError> {
        let mailer = config.smtp.as_ref().map(Mailer::new).transpose()?.map(Arc::new);
        let mut shared = BTreeMap::new();
        if !config.shared.is_empty() {
            let roots = system_roots();
            for one in &config.shared {
                shared.insert(one.name.clone(), Arc::new(Target::new(one, roots.clone())?));
            }
        }
        Ok(Self { mailer, shared, notices: config.notices.clone(), sign_in: sign_in(config, port) })
    }

    /// Whether anything goes out by `kind`.
    pub(super) fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Mail => self.mailer.is_some(),
            Kind::Webhook | Kind::Teams => self.targets().any(|target| target.kind() == kind),
        }
    }

    /// The way to a person's address.
    pub(super) fn mailer(&self) -> Option<Arc<Mailer>> {
        self.mailer.clone()
    }

    /// The shared channel of that name.
    pub(super) fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.shared.get(name).cloned()
    }

    /// Every shared channel.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.shared.values()
    }

    /// Writes down which channels there are, so that whoever puts a message into the outbox knows them.
    pub(crate) async fn list(&self, tx: &mut Tx, school: &SchoolId) -> Result<(), StoreError> {
        let mail = Listed { name: MAIL, kind: Kind::Mail, has_readers: false };
        let shared = self.targets().map(|target| Listed {
            name: &target.name,
            kind: target.kind(),
            has_readers: !target.readers.is_empty(),
        });
        channels::list(tx, school, &std::iter::once(mail).chain(shared).collect::<Vec<_>>()).await
    }
}

impl Target {
    fn new(shared: &Shared, mut roots: RootCertStore) -> Result<Self, ChannelError> {
        if let Some(path) = &shared.extra_ca {
            files::trust(&mut roots, path)?;
        }
        let (uri, form, private, path) = match &shared.way {
            Way::Webhook { url, secret_file, private } => {
                let secrets = Secrets::parse(&files::read_private(secret_file)?);
                let secrets = secrets.ok_or_else(|| ChannelError::Secret { path: secret_file.clone() })?;
                (Some(url.clone()), Form::Webhook(secrets), *private, secret_file)
            }
            Way::Teams { url_file, private } => {
                let uri = config::channel_url(files::read_private(url_file)?.trim(), *private);
                (uri, Form::Teams, *private, url_file)
            }
        };
        let address = || ChannelError::Address { path: path.clone() };
        let poster = Poster::new(uri.ok_or_else(address)?, roots, private)?.ok_or_else(address)?;
        Ok(Self { name: shared.name.clone(), readers: shared.readers.clone(), poster, form })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it goes by.
    pub(super) const fn kind(&self) -> Kind {
        match self.form {
            Form::Webhook(_) => Kind::Webhook,
            Form::Teams => Kind::Teams,
        }
    }

    /// Posts one letter.
    pub(super) async fn send(&self, id: MessageId, letter: &Letter, now_us: i64) -> Result<(), Failure> {
        match &self.form {
            Form::Webhook(secrets) => {
                let body = webhook::body(letter, now_us);
                self.poster.post(&secrets.headers(id, now_us, &body), body).await
            }
            Form::Teams => self.poster.post(&[], teams::body(letter)).await,
        }
    }

    /// Sees whether there is somebody to post to.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        self.poster.probe().await
    }
}

/// The authorities that this machine trusts. What cannot be read of them is not trusted.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        tracing::warn!("this machine trusts no certificate authority: shared channels need `extra_ca`");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Where people sign in: what the configuration says, else its first host name.
fn sign_in(config: &Config, port: u16) -> String {
    if let Some(url) = &config.base_url {
        return url.clone();
    }
    let name = config.host_names.first().map_or("localhost", String::as_str);
    let name = if name.parse::<Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    format!("https://{name}:{port}")
}
