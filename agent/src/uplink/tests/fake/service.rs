//! The two services of the fake.

use std::pin::Pin;

use futures_util::Stream;
use lapwing_proto::joining::proof_message;
use lapwing_proto::wire;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::enrol_server::Enrol;
use wire::uplink_server::Uplink;
use wire::{deliver_down, deliver_up};

use super::{COPY, DEVICE, Fake, NONCE, TOKEN, issue, refusal, refused, spawn};

#[tonic::async_trait]
impl Enrol for Fake {
    async fn join(&self, request: Request<wire::JoinRequest>) -> Result<Response<wire::JoinResponse>, Status> {
        let request = request.into_inner();
        if let Some(code) = self.note(|told| told.script.refuse_join) {
            return Err(refused(refusal(code)));
        }
        let device = match &request.proof {
            Some(proof) if holds(proof, &request.csr) => match proof.reason() {
                wire::JoinReason::Copy => COPY,
                wire::JoinReason::Expired | wire::JoinReason::Unspecified => DEVICE,
            },
            None if request.token == TOKEN => DEVICE,
            Some(_) => return Err(refused(refusal(wire::ErrorCode::Proof))),
            None => return Err(refused(refusal(wire::ErrorCode::TokenUnknown))),
        };
        self.note(|told| told.asked.push(request.clone()));
        if let Some(code) = self.note(|told| told.script.refuse_after_join.take()) {
            return Err(refused(refusal(code)));
        }
        self.note(|told| told.joins.extend(request.facts));
        Ok(Response::new(wire::JoinResponse {
            certificate: issue(&self.authority, &request.csr, device),
            authorities: vec![self.authority_der.clone()],
            device_id: device.to_string(),
            server_time_us: crate::uplink::tests::fake_now_us(),
        }))
    }

    async fn challenge(&self, _: Request<wire::ChallengeRequest>) -> Result<Response<wire::ChallengeResponse>, Status> {
        let server_time_us = crate::uplink::tests::fake_now_us();
        Ok(Response::new(wire::ChallengeResponse { nonce: NONCE.to_vec(), server_time_us }))
    }
}

/// Whether the key of a device of these tests signed what it should.
fn holds(proof: &wire::Proof, csr: &[u8]) -> bool {
    let Ok(device) = proof.device_id.parse() else { return false };
    let point = [[4].as_slice(), &proof.public_key].concat();
    let message = proof_message(&NONCE, csr, device, proof.reason());
    proof.nonce == NONCE
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&message, &proof.signature).is_ok()
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Uplink for Fake {
    type DeliverStream = Answers<wire::DeliverDown>;
    type ControlStream = Answers<wire::ControlDown>;
    type FetchStream = Answers<wire::FetchChunk>;

    async fn deliver(
        &self,
        request: Request<Streaming<wire::DeliverUp>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let (answers, queue) = mpsc::channel(8);
        let fake = self.clone();
        let mut inbound = request.into_inner();
        spawn(async move {
            let cut = fake.note(|told| (!told.script.cuts.is_empty()).then(|| told.script.cuts.remove(0)));
            let mut batches = 0;
            while let Ok(Some(wire::DeliverUp { message: Some(message) })) = inbound.message().await {
                batches += usize::from(matches!(message, deliver_up::Message::Batch(_)));
                let answer = fake.take(message);
                if cut == Some(batches) {
                    let _ = answers.send(Err(Status::unavailable("cut"))).await;
                    return;
                }
                let Some(answer) = answer else { continue };
                let over = matches!(answer, deliver_down::Message::Refusal(_));
                if answers.send(Ok(wire::DeliverDown { message: Some(answer) })).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    async fn control(
        &self,
        request: Request<Streaming<wire::ControlUp>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let (directives, queue) = mpsc::channel(8);
        let fake = self.clone();
        let mut inbound = request.into_inner();
        spawn(async move {
            while let Ok(Some(wire::ControlUp { message: Some(message) })) = inbound.message().await {
                for directive in fake.direct(message) {
                    let down = wire::ControlDown { directive: Some(directive) };
                    if directives.send(Ok(down)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    async fn fetch(&self, request: Request<wire::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        if self.note(|told| {
            told.fetches += 1;
            told.script.gone
        }) {
            return Err(refused(refusal(wire::ErrorCode::NotFound)));
        }
        let (release, bytes) = self
            .note(|told| match request.get_ref().artefact() {
                wire::Artefact::Exemptions => told.script.exemptions.clone(),
                wire::Artefact::RuleSet | wire::Artefact::Policy | wire::Artefact::Unspecified => {
                    told.script.rule_set.clone()
                }
            })
            .unwrap();
        assert_eq!(request.get_ref().release, release);
        let compressed = compressed(&bytes);
        let chunk = |data: &[u8]| {
            Ok(wire::FetchChunk {
                compressed_bytes: compressed.len() as u64,
                size_bytes: bytes.len() as u64,
                data: data.to_vec(),
            })
        };
        let chunks: Vec<_> = compressed.chunks(1_000).map(chunk).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn renew(&self, request: Request<wire::RenewRequest>) -> Result<Response<wire::RenewResponse>, Status> {
        self.note(|told| told.renewals += 1);
        Ok(Response::new(wire::RenewResponse {
            certificate: issue(&self.authority, &request.get_ref().csr, DEVICE),
            authorities: vec![self.authority_der.clone()],
            server_time_us: crate::uplink::tests::fake_now_us(),
        }))
    }

    async fn resolve_session(
        &self,
        request: Request<wire::ResolveSessionRequest>,
    ) -> Result<Response<wire::ResolveSessionResponse>, Status> {
        self.note(|told| told.resolved += 1);
        let mapped = request.get_ref().account == "pupil";
        let band = if mapped { wire::Band::Ks3 } else { wire::Band::Unspecified };
        Ok(Response::new(wire::ResolveSessionResponse { band: band.into(), group: "pupils".into(), mapped }))
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
