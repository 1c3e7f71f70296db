//! Fetching what was announced: whole, compressed, of known size.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use lapwing_proto::bounds::MAX_CHUNK_BYTES;
use lapwing_proto::wire;
use tonic::Status;

use super::published::Offer;
use super::{Ingest, Refused};
use crate::store::artefacts::ArtefactKind;
use crate::tls::Peer;

/// The stream of chunks.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<wire::FetchChunk, Status>> + Send>>;

fn of_release(ingest: &Ingest, kind: ArtefactKind, release: u64) -> Option<Arc<Offer>> {
    ingest.published.borrow().of_release(kind, release).cloned()
}

/// The chunks of the release asked for, which must be one that is offered.
pub(super) async fn serve(ingest: &Ingest, peer: Peer, request: &wire::FetchRequest) -> Result<Chunks, Refused> {
    let offer = match wire::Artefact::try_from(request.artefact) {
        Ok(wire::Artefact::RuleSet) => of_release(ingest, ArtefactKind::RuleSet, request.release),
        Ok(wire::Artefact::Policy) => of_release(ingest, ArtefactKind::Policy, request.release),
        Ok(wire::Artefact::Exemptions) => ingest.exemptions_for(peer.device).await?,
        Ok(wire::Artefact::Unspecified) | Err(_) => return Err(Refused::NotFound),
    };
    let offer = offer.filter(|offer| offer.release == request.release).ok_or(Refused::NotFound)?;
    Ok(Box::pin(stream::unfold((offer, 0), |(offer, from)| async move {
        let chunk = chunk(&offer, from)?;
        let next = from.saturating_add(chunk.data.len());
        Some((Ok(chunk), (offer, next)))
    })))
}

fn chunk(offer: &Arc<Offer>, from: usize) -> Option<wire::FetchChunk> {
    let rest = offer.compressed.get(from..).filter(|rest| !rest.is_empty())?;
    Some(wire::FetchChunk {
        compressed_bytes: offer.compressed.len() as u64,
        size_bytes: offer.size_bytes,
        data: rest.chunks(MAX_CHUNK_BYTES).next()?.to_vec(),
    })
}
