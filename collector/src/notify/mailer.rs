//! The way to the mail server: TLS from the first byte or by STARTTLS, never without, and a connection a mail.

use std::error::Error as _;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::files::{self, FileError};
use super::letter::Letter;
use crate::config::{Smtp, SmtpTls};
use crate::ids::MessageId;

/// Answers of a server that does not let the sender in: they say nothing about a message.
const SIGN_IN_CODES: [u16; 4] = [530, 534, 535, 538];

/// Sends letters.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
}

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The further authority is no certificate, or TLS cannot be set up.
    #[error("cannot set up TLS to the mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The sender is no address.
    #[error("the sender is no mail address")]
    Sender(#[source] lettre::address::AddressError),
}

impl Mailer {
    /// Sets up the way that `smtp` describes.
    ///
    /// # Errors
    ///
    /// [`MailerError`]. Nothing is connected yet.
    pub fn new(smtp: &Smtp) -> Result<Self, MailerError> {
        let mut tls = TlsParameters::builder(smtp.host.clone());
        if let Some(path) = &smtp.extra_ca {
            tls = tls.add_root_certificate(Certificate::from_pem(&files::read(path)?).map_err(MailerError::Tls)?);
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
            let password = Zeroizing::new(files::read(&sign_in.password_file)?);
            let password = String::from_utf8_lossy(&password).trim_end().to_owned();
            builder = builder.credentials(Credentials::new(sign_in.user.clone(), password));
        }
        let from = smtp.from.parse().map_err(MailerError::Sender)?;
        Ok(Self { transport: builder.build(), from })
    }

    /// The address that mails come from.
    pub(super) fn from(&self) -> String {
        self.from.to_string()
    }

    /// Sends one letter.
    pub(super) async fn send(&self, id: MessageId, address: &str, letter: &Letter, now_us: i64) -> Result<(), Failure> {
        let to: Address = address.parse().map_err(|_| Failure::refused("bad_address"))?;
        let date = UNIX_EPOCH + Duration::from_micros(now_us.unsigned_abs());
        let message = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            .date(date)
            .from(Mailbox::new(Some("Lapwing".to_owned()), self.from.clone()))
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text())
            .map_err(|_| Failure::refused("bad_message"))?;
        self.transport.send(message).await.map(drop).map_err(|error| failure(&error))
    }

    /// Goes as far as a mail would, the sign-in included, and sends none.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::not_now("connection")),
            Err(error) => Err(failure(&error)),
        }
    }
}

fn failure(error: &SmtpError) -> Failure {
    if let Some(status) = error.status() {
        let code = format!("smtp_{status}");
        let is_for_later = error.is_transient() || SIGN_IN_CODES.contains(&u16::from(status));
        return if is_for_later { Failure::not_now(code) } else { Failure::refused(code) };
    }
    let code = if error.is_timeout() {
        "timeout"
    } else if error.is_tls() || is_of_tls(error) {
        "tls"
    } else if error.is_client() || error.is_response() {
        "protocol"
    } else {
        "connection"
    };
    Failure::not_now(code)
}

/// Whether TLS itself refused, as it does where nobody vouches for the server.
fn is_of_tls(error: &SmtpError) -> bool {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()?.get_ref()).any(|inner| inner.is::<rustls::Error>())
}
