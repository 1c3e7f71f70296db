//! Batches as the contract bounds them.

use lapwing_proto::bounds::{self, MAX_CAPTURE_BYTES, OutOfBounds};
use lapwing_proto::{Capture, Epoch, Seq, wire};
use lapwing_rules::Level;
use prost::Message;

use super::boot::Boot;
use super::{Ingest, Refused};
use crate::intake::{Delivery, Gap, Held};
use crate::tls::Peer;

/// A batch of so many bytes, checked and dated.
pub(super) fn check_batch(
    ingest: &Ingest,
    (peer, boot): (Peer, Option<Boot>),
    epoch: Epoch,
    (batch, bytes): (wire::Batch, usize),
) -> Result<Delivery, Refused> {
    let received_us = ingest.clock.wall_us();
    let lane = lane("batch.lane", batch.lane)?;
    bounds::list("batch.captures", &batch.captures, bounds::MAX_BATCH)?;
    bounds::list("batch.gaps", &batch.gaps, bounds::MAX_GAPS)?;
    if batch.captures.is_empty() && batch.gaps.is_empty() {
        return Err(OutOfBounds::new("batch.captures", "at least one, or a gap").into());
    }
    let gaps = batch.gaps.iter().map(|gap| check_gap(lane, gap)).collect::<Result<_, _>>()?;
    let dated = |capture| {
        let capture = check_capture((lane, bytes), capture)?;
        Ok::<_, Refused>(Capture { wall_us: Boot::date(boot, &capture, received_us), ..capture })
    };
    let captures = batch.captures.into_iter().map(dated).collect::<Result<_, _>>()?;
    let (first, held) = (Seq::new(batch.first_seq), Held::default());
    Ok(Delivery { device: peer.device, epoch, lane, first, captures, gaps, received_us, held })
}

/// A capture of a batch of so many bytes.
fn check_capture((lane, bytes): (Level, usize), capture: wire::Capture) -> Result<Capture, Refused> {
    if bytes > MAX_CAPTURE_BYTES && capture.encoded_len() > MAX_CAPTURE_BYTES {
        return Err(OutOfBounds::new("batch.captures", format!("at most {MAX_CAPTURE_BYTES} bytes each")).into());
    }
    let capture = Capture::try_from(capture)?;
    if capture.level() != lane {
        return Err(OutOfBounds::new("batch.captures", "captures of the lane's level").into());
    }
    Ok(capture)
}

fn check_gap(of: Level, gap: &wire::Gap) -> Result<Gap, Refused> {
    if lane("gap.lane", gap.lane)? != of {
        return Err(OutOfBounds::new("gap.lane", "the batch's lane").into());
    }
    let epoch = match gap.epoch.as_slice() {
        [] => None,
        bytes => Some(Epoch::try_from(bytes)?),
    };
    Ok(Gap { epoch, from: Seq::new(gap.from), to: Seq::new(gap.to), reason: gap.reason })
}

fn lane(field: &'static str, number: u32) -> Result<Level, Refused> {
    let level = u8::try_from(number).ok().and_then(|number| Level::try_from(number).ok());
    level.ok_or_else(|| OutOfBounds::new(field, "1 to 5").into())
}

pub(super) fn mark(lane: Level, through: Seq) -> wire::LaneMark {
    wire::LaneMark { lane: u32::from(lane.number()), through: through.number() }
}
