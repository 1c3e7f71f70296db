//! How each peer is run so that what it acknowledges is on the disk: its configuration, in a folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};

use super::client::{Protocol, Wire};

/// A peer that is ready to be started.
pub(super) struct Prepared {
    pub(super) command: Command,
    pub(super) wire: Wire,
}

/// redis-server, an append-only file that is synced before each answer, TLS.
pub(super) fn redis(folder: &Path) -> anyhow::Result<Prepared> {
    std::fs::create_dir(folder)?;
    let address = free_address()?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, cert.pem())?;
    std::fs::write(&key, signing_key.serialize_pem())?;
    let config = folder.join("redis.conf");
    std::fs::write(
        &config,
        format!(
            "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\n\
             tls-ca-cert-file {certificate}\ntls-auth-clients no\ndir {folder}\nsave \"\"\nmaxclients 2000\n\
             appendonly yes\nappendfsync always\nauto-aof-rewrite-percentage 0\n",
            port = address.port(),
            certificate = certificate.display(),
            key = key.display(),
            folder = folder.display(),
        ),
    )?;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let mut command = Command::new("redis-server");
    command.arg(config);
    Ok(Prepared { command, wire: Wire { address, protocol: Protocol::Redis, tls: Some(Arc::new(tls)) } })
}

/// nats-server with `JetStream` on files, synced before each answer.
pub(super) fn nats(folder: &Path) -> anyhow::Result<Prepared> {
    std::fs::create_dir(folder)?;
    let address = free_address()?;
    let config = folder.join("nats.conf");
    std::fs::write(
        &config,
        format!(
            "listen: {address}\njetstream {{ store_dir: {folder:?}, sync_interval: always }}\n",
            folder = folder.display().to_string(),
        ),
    )?;
    let mut command = Command::new(nats_program()?);
    command.arg("-c").arg(config);
    Ok(Prepared { command, wire: Wire { address, protocol: Protocol::JetStream, tls: None } })
}

/// rsyslogd that takes RELP into a queue on disk, synced, with a checkpoint for each entry.
pub(super) fn rsyslog(folder: &Path) -> anyhow::Result<Prepared> {
    std::fs::create_dir(folder)?;
    let address = free_address()?;
    let config = folder.join("rsyslog.conf");
    std::fs::write(
        &config,
        format!(
            "global(workDirectory={folder:?})\n\
             main_queue(queue.type=\"disk\" queue.filename=\"main\" queue.syncqueuefiles=\"on\" \
             queue.checkpointinterval=\"1\" queue.maxdiskspace=\"4g\")\n\
             module(load=\"imrelp\")\ninput(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             action(type=\"omfile\" file={out:?})\n",
            folder = folder.display().to_string(),
            port = address.port(),
            out = folder.join("out.log").display().to_string(),
        ),
    )?;
    let mut command = Command::new("/usr/sbin/rsyslogd");
    command.arg("-n").arg("-f").arg(config).arg("-i").arg(folder.join("rsyslog.pid"));
    Ok(Prepared { command, wire: Wire { address, protocol: Protocol::Relp, tls: None } })
}

/// Where `benches/peers.sh` puts it.
fn nats_program() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Ok(cache.context("no home folder")?.join("lapwing/peers/bin/nats-server"))
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
