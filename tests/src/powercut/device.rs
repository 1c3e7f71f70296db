//! A device that delivers one batch after the other, and waits for each answer.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::enrol_client::EnrolClient;
use lapwing_proto::wire::uplink_client::UplinkClient;
use lapwing_proto::{MINOR, wire};
use rcgen::{CertificateParams, KeyPair};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

/// Which spool it delivers of.
const EPOCH: [u8; 16] = [6; 16];

/// An enrolled device, as it lies in three files.
#[derive(Debug)]
pub(super) struct Device {
    authority: String,
    certificate: String,
    key: String,
}

/// An open delivery.
#[derive(Debug)]
pub(super) struct Delivery {
    up: mpsc::Sender<wire::DeliverUp>,
    down: Streaming<wire::DeliverDown>,
    pub(super) welcome: wire::Welcome,
}

impl Device {
    /// Enrols at `address` with `token`.
    pub(super) async fn enrol(address: SocketAddr, authority: String, token: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let csr = CertificateParams::default().serialize_request(&key)?.der().to_vec();
        let facts = wire::DeviceFacts {
            hostname: "pc-12".into(),
            hardware_hash: vec![3; 32],
            os: "linux".into(),
            agent_version: "0.1.0".into(),
            room: "Room 12".into(),
            serial_hash: Vec::new(),
        };
        let request = wire::JoinRequest { token: token.to_owned(), csr, facts: Some(facts), ..Default::default() };
        let channel = connect(address, &authority, None).await?;
        let joined = EnrolClient::new(channel).join(request).await.context("refused to enrol")?.into_inner();
        Ok(Self { authority, certificate: pem(&joined.certificate), key: key.serialize_pem() })
    }

    /// Keeps it in `folder`.
    pub(super) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        for (name, text) in [("authority", &self.authority), ("certificate", &self.certificate), ("key", &self.key)] {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(())
    }

    /// What [`Device::save`] kept.
    pub(super) fn load(folder: &Path) -> anyhow::Result<Self> {
        let [authority, certificate, key] =
            ["authority", "certificate", "key"].map(|name| std::fs::read_to_string(folder.join(name)));
        Ok(Self { authority: authority?, certificate: certificate?, key: key? })
    }

    /// Opens a delivery as the holder of `incarnation`.
    pub(super) async fn deliver(&self, address: SocketAddr, incarnation: Vec<u8>) -> anyhow::Result<Delivery> {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let mut uplink = UplinkClient::new(connect(address, &self.authority, Some(identity)).await?);
        let (up, sent) = mpsc::channel(1);
        let hello = wire::Hello {
            epoch: EPOCH.to_vec(),
            hardware_hash: vec![3; 32],
            boot_id: vec![1; 16],
            boot_us: 0,
            earlier_boots: Vec::new(),
            incarnation,
            minor: MINOR,
            agent_version: "0.1.0".into(),
            lanes: Vec::new(),
        };
        up.send(wire::DeliverUp { message: Some(Up::Hello(hello)) }).await?;
        let mut down = uplink.deliver(ReceiverStream::new(sent)).await.context("refused a delivery")?.into_inner();
        match down.message().await?.and_then(|down| down.message) {
            Some(Down::Welcome(welcome)) => Ok(Delivery { up, down, welcome }),
            other => bail!("not welcome: {other:?}"),
        }
    }
}

impl Delivery {
    /// Sends a batch; answers the lane's new mark.
    pub(super) async fn send(&mut self, batch: wire::Batch) -> anyhow::Result<u64> {
        self.up.send(wire::DeliverUp { message: Some(Up::Batch(batch)) }).await?;
        match self.down.message().await?.and_then(|down| down.message) {
            Some(Down::Ack(ack)) => Ok(ack.through.first().context("an acknowledgement of nothing")?.through),
            other => bail!("not acknowledged: {other:?}"),
        }
    }
}

async fn connect(address: SocketAddr, authority: &str, identity: Option<Identity>) -> anyhow::Result<Channel> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).domain_name("localhost");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    Ok(Channel::from_shared(format!("https://{address}"))?.tls_config(tls)?.connect().await?)
}

pub(super) fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(certificate))
}
