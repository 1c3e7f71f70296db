//! What devices deliver: counted when it arrives, and built when there is room for what it becomes.
//!
//! Two bytes of a message make one entry of a list, and an entry takes some hundred in memory: four megabytes could
//! become a gigabyte. So lists are counted before they are built.

use lapwing_proto::bounds::{MAX_BATCH, MAX_GAPS};
use lapwing_proto::wire;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use super::Refused;

/// Most fields of a message, those of everything inside it included: far more than a full batch of ordinary captures.
const MAX_FIELDS: usize = 128 * 1024;
/// What a stream's buffers begin with; acknowledgements are small, and thousands of devices are idle.
const BUFFER_BYTES: usize = 1024;
const YIELD_BYTES: usize = 32 * 1024;
const NO_MESSAGE: &str = "not a message of the contract";

/// The codec of `Deliver`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeliverCodec;

/// Its decoder.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeliverDecoder;

/// A message whose lists are within their bounds, as it came.
pub(super) struct Received(Bytes);

impl Received {
    /// Its size on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Builds it.
    pub(super) fn read(self) -> Result<wire::DeliverUp, Refused> {
        wire::DeliverUp::decode(self.0).map_err(|_| Refused::Malformed(NO_MESSAGE.to_owned()))
    }
}

impl Codec for DeliverCodec {
    type Encode = wire::DeliverDown;
    type Decode = Received;
    type Encoder = ProstEncoder<wire::DeliverDown>;
    type Decoder = DeliverDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        DeliverDecoder
    }
}

impl Decoder for DeliverDecoder {
    type Item = Received;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Received>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        counted(bytes).map(Some).map_err(Status::invalid_argument)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

fn counted(bytes: Bytes) -> Result<Received, &'static str> {
    let mut tally = Tally::default();
    tally.count(Shape::Up, &bytes)?;
    Ok(Received(bytes))
}

/// Messages that hold others, as `lapwing.proto` numbers them.
#[derive(Clone, Copy)]
enum Shape {
    Up,
    Batch,
    Capture,
    Verdict,
    Hit,
    Leaf,
}

impl Shape {
    /// What field `number` holds; `None` for what is no message.
    const fn holds(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Up, 2) => Some(Self::Batch),
            (Self::Batch, 3) => Some(Self::Capture),
            (Self::Capture, 9) => Some(Self::Verdict),
            (Self::Verdict, 4) => Some(Self::Hit),
            (Self::Up, 1 | 3) | (Self::Batch, 4) | (Self::Capture, 5 | 8 | 12) | (Self::Hit, 4 | 5) => Some(Self::Leaf),
            (Self::Up | Self::Batch | Self::Capture | Self::Verdict | Self::Hit | Self::Leaf, _) => None,
        }
    }
}

#[derive(Default)]
struct Tally {
    fields: usize,
    captures: usize,
    gaps: usize,
}

impl Tally {
    fn count(&mut self, shape: Shape, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            self.field(shape, tag >> 3)?;
            match tag & 7 {
                0 => drop(varint(&mut bytes)?),
                1 => drop(take(&mut bytes, 8)?),
                2 => {
                    let length = varint(&mut bytes)?;
                    let inside = take(&mut bytes, length)?;
                    if let Some(held) = shape.holds(tag >> 3) {
                        self.count(held, inside)?;
                    }
                }
                5 => drop(take(&mut bytes, 4)?),
                _ => return Err(NO_MESSAGE),
            }
        }
        Ok(())
    }

    fn field(&mut self, shape: Shape, number: u64) -> Result<(), &'static str> {
        self.fields += 1;
        match (shape, number) {
            (Shape::Batch, 3) => self.captures += 1,
            (Shape::Batch, 4) => self.gaps += 1,
            (Shape::Up | Shape::Batch | Shape::Capture | Shape::Verdict | Shape::Hit | Shape::Leaf, _) => {}
        }
        if self.fields > MAX_FIELDS || self.captures > MAX_BATCH || self.gaps > MAX_GAPS {
            return Err("more entries than a batch holds");
        }
        Ok(())
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    prost::encoding::decode_varint(bytes).map_err(|_| NO_MESSAGE)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], &'static str> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (taken, rest) = bytes.split_at_checked(length).ok_or(NO_MESSAGE)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use lapwing_proto::wire::deliver_up::Message as Up;

    use super::*;

    fn encoded(batch: wire::Batch) -> Bytes {
        wire::DeliverUp { message: Some(Up::Batch(batch)) }.encode_to_vec().into()
    }

    fn capture(hits: usize, spans: usize) -> wire::Capture {
        let hit = wire::Hit {
            spans: vec![wire::Span { start: 1, end: 9, ..wire::Span::default() }; spans],
            ..wire::Hit::default()
        };
        let verdict = wire::Verdict { hits: vec![hit; hits], ..wire::Verdict::default() };
        let excerpt = wire::Excerpt { scope: 1, text: "some words".to_owned() };
        wire::Capture { excerpts: vec![excerpt; 8], verdict: Some(verdict), ..wire::Capture::default() }
    }

    #[test]
    fn a_full_batch_passes_and_comes_out_as_it_went_in() {
        let batch = wire::Batch { captures: vec![capture(4, 8); MAX_BATCH], lane: 3, first_seq: 7, gaps: Vec::new() };
        let message = counted(encoded(batch.clone())).unwrap().read().unwrap();
        assert_eq!(message.message, Some(Up::Batch(batch)));
    }

    #[test]
    fn lists_that_would_unfold_in_memory_are_refused_unbuilt() {
        for bomb in [
            wire::Batch { captures: vec![wire::Capture::default(); MAX_BATCH + 1], ..wire::Batch::default() },
            wire::Batch { gaps: vec![wire::Gap::default(); MAX_GAPS + 1], ..wire::Batch::default() },
            wire::Batch { captures: vec![capture(MAX_FIELDS, 0)], ..wire::Batch::default() },
            wire::Batch { captures: vec![capture(1, MAX_FIELDS / 2)], ..wire::Batch::default() },
        ] {
            assert_eq!(counted(encoded(bomb)).err(), Some("more entries than a batch holds"));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in
            [&[0x12, 0x7f][..], &[0x07], &[0xff; 12], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert!(counted(Bytes::copy_from_slice(bytes)).and_then(|one| one.read().map_err(|_| NO_MESSAGE)).is_err());
        }
    }
}
