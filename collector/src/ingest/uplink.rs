//! The service of enrolled devices. Each call begins with the certificate: it alone says which device calls.

use std::sync::Arc;

use lapwing_proto::bounds::{self, MAX_ACCOUNT_BYTES, MAX_GROUPS, MAX_NAME_BYTES};
use lapwing_proto::wire;
use tonic::{Request, Response, Status, Streaming};

use super::serve::Retire;
use super::{Ingest, Refused, UplinkService, control, deliver, fetch, renew, resolve};
use crate::shutdown::Shutdown;
use crate::tls::{Peer, peer_of};

#[tonic::async_trait]
impl wire::uplink_server::Uplink for UplinkService {
    type DeliverStream = deliver::Answers;
    type ControlStream = control::Directives;
    type FetchStream = fetch::Chunks;

    /// Never reached: its path leads to [`deliver::Delivering`], whose codec is another.
    async fn deliver(&self, _: Request<Streaming<wire::DeliverUp>>) -> Result<Response<Self::DeliverStream>, Status> {
        Err(Status::unimplemented("deliveries go another way"))
    }

    async fn control(
        &self,
        request: Request<Streaming<wire::ControlUp>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let peer = admit(&self.0, &request, "control")?;
        let retire = retire(&self.0, &request);
        Ok(Response::new(control::serve(Arc::clone(&self.0), peer, retire, request.into_inner())))
    }

    async fn fetch(&self, request: Request<wire::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let peer = admit(&self.0, &request, "fetch")?;
        Ok(Response::new(fetch::serve(&self.0, peer, request.get_ref()).await?))
    }

    async fn renew(&self, request: Request<wire::RenewRequest>) -> Result<Response<wire::RenewResponse>, Status> {
        let peer = admit(&self.0, &request, "renewal")?;
        let renewed = renew::serve(&self.0, peer, &request.get_ref().csr).await;
        let renewed = renewed.inspect_err(|refused| self.0.note_refusal(peer.device, "renewal", refused));
        Ok(Response::new(renewed?))
    }

    async fn resolve_session(
        &self,
        request: Request<wire::ResolveSessionRequest>,
    ) -> Result<Response<wire::ResolveSessionResponse>, Status> {
        let peer = admit(&self.0, &request, "resolving")?;
        let asked = request.get_ref();
        bounds::text("resolve.account", &asked.account, MAX_ACCOUNT_BYTES).map_err(Refused::from)?;
        bounds::list("resolve.groups", &asked.groups, MAX_GROUPS).map_err(Refused::from)?;
        for group in &asked.groups {
            bounds::text("resolve.groups", group, MAX_NAME_BYTES).map_err(Refused::from)?;
        }
        Ok(Response::new(resolve::serve(&self.0, peer, &asked.account).await?))
    }
}

/// What ends the streams of the connection that `request` came by.
pub(super) fn retire<T>(ingest: &Ingest, request: &Request<T>) -> Shutdown {
    request.extensions().get::<Retire>().map_or_else(|| ingest.shutdown.clone(), |retire| retire.0.clone())
}

/// Who calls, unless the certificate names nobody or its device is denied.
pub(super) fn admit<T>(ingest: &Ingest, request: &Request<T>, what: &'static str) -> Result<Peer, Status> {
    let certificates = request.peer_certs();
    let certificate = certificates.as_ref().and_then(|chain| chain.first());
    let peer = certificate.and_then(|certificate| peer_of(certificate).ok()).ok_or(Refused::Revoked)?;
    ingest.check_not_denied(peer.device).inspect_err(|refused| ingest.note_refusal(peer.device, what, refused))?;
    Ok(peer)
}
