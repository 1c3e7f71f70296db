//! A receiver of posts on the loopback interface, with a certificate of its own, and hostile when told to be.

use std::io;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status(u16),
    /// 200, and a body that never ends.
    Endless,
    /// A head that never ends.
    EndlessHead,
    /// No HTTP.
    Noise,
    /// Nothing, and the connection stays.
    Hang,
    /// Nothing, from the first byte on: TLS never begins.
    HangBeforeTls,
    HangUp,
}

pub(super) struct Receiver {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    certificate: String,
    reply: Mutex<Reply>,
    posts: Mutex<Vec<String>>,
}

impl Receiver {
    pub(super) async fn open() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self {
            acceptor: Some(TlsAcceptor::from(Arc::new(config))),
            certificate: made.cert.pem(),
            ..Self::plain().await
        }
    }

    /// One without TLS.
    pub(super) async fn plain() -> Self {
        Self {
            listener: TcpListener::bind(("localhost", 0)).await.unwrap(),
            acceptor: None,
            certificate: String::new(),
            reply: Mutex::new(Reply::Status(200)),
            posts: Mutex::default(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// Every request, head and body.
    pub(super) fn posts(&self) -> Vec<String> {
        self.posts.lock().unwrap().clone()
    }

    /// Serves one connection after the other.
    pub(super) async fn serve(&self) {
        loop {
            let (stream, _) = self.listener.accept().await.unwrap();
            let reply = *self.reply.lock().unwrap();
            if reply == Reply::HangBeforeTls {
                std::future::pending::<()>().await;
            }
            // a client that does not like what it sees hangs up
            let _ = match &self.acceptor {
                None => self.answer(stream, reply).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => self.answer(stream, reply).await,
                    Err(error) => Err(error),
                },
            };
        }
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, reply: Reply) -> io::Result<()> {
        let request = read_request(&mut stream).await?;
        if request.is_empty() {
            return Ok(());
        }
        self.posts.lock().unwrap().push(request);
        match reply {
            Reply::Status(status) => {
                let port = self.port();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nlocation: https://localhost:{port}/else\r\ncontent-length: 0\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
            }
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                endless(&mut stream, b"5\r\nabcde\r\n").await?;
            }
            Reply::EndlessHead => {
                stream.write_all(b"HTTP/1.1 200 x\r\n").await?;
                endless(&mut stream, b"x-more: and more and more\r\n").await?;
            }
            Reply::Noise => stream.write_all(b"220 a mail server\r\n").await?,
            Reply::Hang | Reply::HangBeforeTls => std::future::pending().await,
            Reply::HangUp => {}
        }
        stream.shutdown().await
    }
}

async fn endless<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
        stream.flush().await?;
    }
}

/// Head and body, by the length that the head says; nothing where the client only looked.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return Ok(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(String::new()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
}
