//! A real SMTP server, and the mails it was given.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

use crate::Running;

/// The mail server of the school; STARTTLS only.
#[derive(Debug)]
pub struct Mailbox {
    folder: PathBuf,
    port: u16,
    authority: PathBuf,
    _server: Running,
}

impl Mailbox {
    /// Starts it with a certificate of its own.
    ///
    /// # Errors
    ///
    /// When aiosmtpd is not installed.
    pub fn start(scratch: &Path, logs: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("mail");
        std::fs::create_dir_all(&folder)?;
        let authority = folder.join("authority.pem");
        let certificate = folder.join("server.pem");
        let key = folder.join("server.key");
        write_certificates(&authority, &certificate, &key)?;
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("mailbox.py")).args([&folder, &certificate, &key]);
        let (server, line) = Running::start_until_line("mailbox", command, logs)?;
        let port = line.trim().parse().with_context(|| format!("`{line}` is not a port"))?;
        Ok(Self { folder, port, authority, _server: server })
    }

    /// The port on 127.0.0.1; its certificate names `localhost`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority to trust, PEM.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// All messages so far, in order, each with an `X-Recipient` line at its head.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn messages(&self) -> anyhow::Result<Vec<String>> {
        let mut paths: Vec<_> =
            std::fs::read_dir(&self.folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        paths.sort();
        paths.iter().map(|path| Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())).collect()
    }
}

fn write_certificates(authority: &Path, certificate: &Path, key: &Path) -> anyhow::Result<()> {
    let mut parameters = CertificateParams::new(Vec::<String>::new())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&leaf_key, &issuer)?;
    std::fs::write(authority, issuer.pem())?;
    std::fs::write(certificate, leaf.pem())?;
    std::fs::write(key, leaf_key.serialize_pem())?;
    Ok(())
}
