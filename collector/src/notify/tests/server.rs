//! A mail server on the loopback interface, with a certificate of its own.

use std::io;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// How the server lets TLS begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    StartTls,
    Implicit,
    Plain,
}

/// What it says to a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    Later,
    Never,
}

/// What it does at a stage of the talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// Says nothing more, and keeps the connection.
    Hang,
    /// Hangs up.
    HangUp,
}

/// The stages of a talk with STARTTLS, in order.
pub(super) const STAGES: [&str; 8] = ["greeting", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT", "DATA", "."];

pub(super) struct FakeServer {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: String,
    offer: Offer,
    answer: Mutex<Answer>,
    trap: Mutex<Option<(&'static str, Trap)>>,
    mails: Mutex<Vec<String>>,
    heard: Mutex<Vec<String>>,
    parted: Notify,
}

impl FakeServer {
    pub(super) async fn open(offer: Offer) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self {
            listener: TcpListener::bind(("localhost", 0)).await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: made.cert.pem(),
            offer,
            answer: Mutex::new(Answer::Accept),
            trap: Mutex::default(),
            mails: Mutex::default(),
            heard: Mutex::default(),
            parted: Notify::new(),
        }
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn offer(&self) -> Offer {
        self.offer
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// From now on `trap` is what happens at a stage; `None` is nothing.
    pub(super) fn set_trap(&self, trap: Option<(&'static str, Trap)>) {
        *self.trap.lock().unwrap() = trap;
    }

    async fn pass(&self, stage: &str) -> io::Result<()> {
        let trap = *self.trap.lock().unwrap();
        match trap.filter(|(at, _)| *at == stage) {
            None => Ok(()),
            Some((_, Trap::Hang)) => std::future::pending().await,
            Some((_, Trap::HangUp)) => Err(io::Error::other("hangs up")),
        }
    }

    pub(super) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    /// Every line that came before or without TLS.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Returns when a client has said good-bye.
    pub(super) async fn parted(&self) {
        self.parted.notified().await;
    }

    /// Serves one connection after the other.
    pub(super) async fn serve(&self) {
        loop {
            let (stream, _) = self.listener.accept().await.unwrap();
            // a client that does not like what it sees hangs up
            let _ = self.connection(stream).await;
        }
    }

    async fn connection(&self, stream: TcpStream) -> io::Result<()> {
        if self.offer == Offer::Implicit {
            let mut stream = BufStream::new(self.acceptor.accept(stream).await?);
            say(&mut stream, "220 fake").await?;
            return self.talk(&mut stream).await;
        }
        let mut stream = BufStream::new(stream);
        self.pass("greeting").await?;
        say(&mut stream, "220 fake").await?;
        while let Some(line) = self.hear(&mut stream).await? {
            self.heard.lock().unwrap().push(line.clone());
            self.pass(line.split(' ').next().unwrap_or_default()).await?;
            match (line.as_str(), self.offer) {
                ("STARTTLS", Offer::StartTls) => {
                    say(&mut stream, "220 go on").await?;
                    self.pass("handshake").await?;
                    let mut stream = BufStream::new(self.acceptor.accept(stream.into_inner()).await?);
                    return self.talk(&mut stream).await;
                }
                (hello, Offer::StartTls) if hello.starts_with("EHLO") => say(&mut stream, "250 STARTTLS").await?,
                ("QUIT", _) => return say(&mut stream, "221 bye").await,
                _ => say(&mut stream, "250 fine").await?,
            }
        }
        Ok(())
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufStream<S>) -> io::Result<()> {
        while let Some(line) = self.hear(stream).await? {
            if line.starts_with("MAIL") || line.starts_with("RCPT") {
                self.pass(line.get(..4).unwrap_or_default()).await?;
            }
            match line.as_str() {
                "DATA" => {
                    say(stream, "354 go on").await?;
                    self.pass("DATA").await?;
                    let mut mail = String::new();
                    while let Some(line) = self.hear(stream).await?.filter(|line| line != ".") {
                        mail.push_str(&line);
                        mail.push('\n');
                    }
                    self.pass(".").await?;
                    self.mails.lock().unwrap().push(mail);
                    say(stream, "250 taken").await?;
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    self.parted.notify_one();
                    return Ok(());
                }
                mail if mail.starts_with("MAIL") => {
                    let answer = *self.answer.lock().unwrap();
                    let answer = match answer {
                        Answer::Accept => "250 fine",
                        Answer::Later => "451 later",
                        Answer::Never => "550 never",
                    };
                    say(stream, answer).await?;
                }
                _ => say(stream, "250 fine").await?,
            }
        }
        Ok(())
    }

    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufStream<S>) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await?;
        Ok((read > 0).then(|| line.trim_end().to_owned()))
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, line: &str) -> io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}
