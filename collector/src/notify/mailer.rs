//! The way to the mail server: TLS from the first byte or by STARTTLS, never without, and a connection a mail.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use zeroize::Zeroizing;

use super::letter::Letter;
use crate::config::{Smtp, SmtpTls};
use crate::ids::MessageId;

/// Largest certificate or password file, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Sends letters.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    sign_in: String,
}

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The further authority is no certificate, or TLS cannot be set up.
    #[error("cannot set up TLS to the mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The sender is no address.
    #[error("the sender is no mail address")]
    Sender(#[source] lettre::address::AddressError),
}

impl Mailer {
    /// Sets up the way that `smtp` describes; `sign_in` is the address of the console.
    ///
    /// # Errors
    ///
    /// [`MailerError`]. Nothing is connected yet.
    pub fn new(smtp: &Smtp, sign_in: impl Into<String>) -> Result<Self, MailerError> {
        let mut tls = TlsParameters::builder(smtp.host.clone());
        if let Some(path) = &smtp.extra_ca {
            tls = tls.add_root_certificate(Certificate::from_pem(&read(path)?).map_err(MailerError::Tls)?);
        }
        let tls = tls.build().map_err(MailerError::Tls)?;
        let tls = match smtp.tls {
            SmtpTls::StartTls => Tls::Required(tls),
            SmtpTls::Implicit => Tls::Wrapper(tls),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(Duration::from_secs(10)));
        if let Some(sign_in) = &smtp.sign_in {
            let password = Zeroizing::new(read(&sign_in.password_file)?);
            let password = String::from_utf8_lossy(&password).trim_end().to_owned();
            builder = builder.credentials(Credentials::new(sign_in.user.clone(), password));
        }
        let from = smtp.from.parse().map_err(MailerError::Sender)?;
        Ok(Self { transport: builder.build(), from, sign_in: sign_in.into() })
    }

    /// Where people sign in.
    pub(super) fn sign_in(&self) -> &str {
        &self.sign_in
    }

    /// Sends one letter. Fails with a code, never with the server's words: they may repeat an address.
    pub(super) async fn send(&self, id: MessageId, address: &str, letter: &Letter, now_us: i64) -> Result<(), String> {
        let to: Address = address.parse().map_err(|_| "bad_address".to_owned())?;
        let date = UNIX_EPOCH + Duration::from_micros(now_us.unsigned_abs());
        let message = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            .date(date)
            .from(Mailbox::new(Some("Lapwing".to_owned()), self.from.clone()))
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|_| "bad_message".to_owned())?;
        self.transport.send(message).await.map(drop).map_err(|error| code(&error))
    }
}

fn code(error: &lettre::transport::smtp::Error) -> String {
    if let Some(status) = error.status() {
        return format!("smtp_{status}");
    }
    if error.is_timeout() {
        return "timeout".to_owned();
    }
    if error.is_tls() {
        return "tls".to_owned();
    }
    if error.is_client() || error.is_response() { "protocol".to_owned() } else { "connection".to_owned() }
}

fn read(path: &Path) -> Result<Vec<u8>, MailerError> {
    let failed = |source| MailerError::File { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE_BYTES {
        return Err(failed(io::Error::other(format!("larger than {MAX_FILE_BYTES} bytes"))));
    }
    fs::read(path).map_err(failed)
}
