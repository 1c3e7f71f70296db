//! Fetching the announced rule set, policy or list of exemptions: whole, compressed, of known size and digest.

use std::io::Read;
use std::time::Duration;

use flate2::read::ZlibDecoder;
use lapwing_proto::bounds::{MAX_ARTEFACT_BYTES, MAX_CHUNK_BYTES};
use lapwing_proto::{failpoint, wire};
use lapwing_rules::{Digest, Release};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::link::Link;
use super::recover::Failure;

/// How long the collector may take between two chunks.
const CHUNK_WITHIN: Duration = Duration::from_secs(30);

/// What can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtefactKind {
    /// A compiled rule set.
    RuleSet,
    /// A policy.
    Policy,
    /// A list of exemptions; its release is the list's number.
    Exemptions,
}

/// An artefact as the collector announced it. Not verified: its signatures are the receiver's to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedArtefact {
    /// What it is.
    pub kind: ArtefactKind,
    /// The release announced.
    pub release: Release,
    /// The artefact.
    pub bytes: Vec<u8>,
}

/// Fetches each newly announced artefact of a kind, until nobody takes them.
pub(super) async fn run(
    link: &Link,
    kind: ArtefactKind,
    mut wanted: watch::Receiver<Option<wire::Available>>,
    artefacts: mpsc::Sender<FetchedArtefact>,
) {
    let mut backoff = link.backoff();
    loop {
        let available = wanted.borrow_and_update().clone();
        if let Some(available) = available {
            match fetch(link, kind, &available).await {
                Ok(fetched) => {
                    backoff.reset();
                    if artefacts.send(fetched).await.is_err() {
                        return;
                    }
                }
                Err(failure) => {
                    tracing::warn!(artefact.release = available.release, error = %failure, "an artefact was not fetched");
                    let delay = Link::delay(&failure, &mut backoff).whole();
                    tokio::select! {
                        () = tokio::time::sleep(delay) => continue,
                        changed = wanted.changed() => if changed.is_err() { return },
                    }
                    continue;
                }
            }
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

async fn fetch(link: &Link, kind: ArtefactKind, available: &wire::Available) -> Result<FetchedArtefact, Failure> {
    let size = usize::try_from(available.size_bytes).ok().filter(|size| *size <= MAX_ARTEFACT_BYTES);
    let size = size.ok_or(Failure::Contract("an artefact is over its bound"))?;
    let artefact = match kind {
        ArtefactKind::RuleSet => wire::Artefact::RuleSet,
        ArtefactKind::Policy => wire::Artefact::Policy,
        ArtefactKind::Exemptions => wire::Artefact::Exemptions,
    };
    let request = wire::FetchRequest { artefact: artefact.into(), release: available.release };
    let mut client = link.client()?;
    let call =
        failpoint!("fetch.call", timeout(CHUNK_WITHIN, client.fetch(request)).await).map_err(|_| Failure::Silent)?;
    let mut chunks = call?.into_inner();
    let mut compressed = Vec::new();
    while let Some(chunk) = timeout(CHUNK_WITHIN, chunks.message()).await.map_err(|_| Failure::Silent)?? {
        failpoint!("fetch.chunk", take(&mut compressed, &chunk, available.size_bytes)?);
    }
    let digest = available.digest.clone();
    let bytes = link.blocking(move || decompress(&compressed, size, &digest)).await?;
    Ok(FetchedArtefact { kind, release: Release::new(available.release), bytes })
}

/// Adds a chunk, within what was announced.
fn take(compressed: &mut Vec<u8>, chunk: &wire::FetchChunk, size_bytes: u64) -> Result<(), Failure> {
    let total = usize::try_from(chunk.compressed_bytes).ok().filter(|total| *total <= MAX_ARTEFACT_BYTES);
    let total = total.ok_or(Failure::Contract("a compressed artefact is over its bound"))?;
    if chunk.size_bytes != size_bytes {
        return Err(Failure::Contract("an artefact is not of the size announced"));
    }
    if chunk.data.len() > MAX_CHUNK_BYTES || compressed.len() + chunk.data.len() > total {
        return Err(Failure::Contract("a chunk is over its bound"));
    }
    compressed.extend_from_slice(&chunk.data);
    Ok(())
}

fn decompress(compressed: &[u8], size: usize, digest: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
    let read = ZlibDecoder::new(compressed).take(bound).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() != size {
        return Err(Failure::Contract("an artefact is not of the size announced"));
    }
    if Digest::of(&bytes).as_bytes().as_slice() != digest {
        return Err(Failure::Contract("an artefact is not the one announced"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_stops_at_the_size_announced() {
        let bomb = compressed(&vec![0; 1_000_000]);
        let digest = Digest::of(&vec![0; 1_000_000]);
        assert!(decompress(&bomb, 1_000, digest.as_bytes()).is_err());
        assert_eq!(decompress(&bomb, 1_000_000, digest.as_bytes()).unwrap().len(), 1_000_000);
    }

    #[test]
    fn another_digest_is_refused() {
        assert!(decompress(&compressed(b"rules"), 5, Digest::of(b"other").as_bytes()).is_err());
    }

    #[test]
    fn chunks_beyond_what_was_announced_are_refused() {
        let chunk = wire::FetchChunk { compressed_bytes: 3, size_bytes: 9, data: vec![0; 2] };
        let mut held = Vec::new();
        take(&mut held, &chunk, 9).unwrap();
        assert!(take(&mut held, &chunk, 9).is_err());
        assert!(take(&mut Vec::new(), &chunk, 8).is_err());
    }
}
