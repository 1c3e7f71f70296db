use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that hands over each connection.
struct Upstream {
    address: SocketAddr,
    connections: mpsc::Receiver<TcpStream>,
    _server: AbortOnDropHandle<()>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, connections) = mpsc::channel(8);
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                sender.send(stream).await.unwrap();
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the test")]
        let server = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { address, connections, _server: server }
    }

    /// Connects through `chaos`; both ends of the connection.
    async fn connect(&mut self, chaos: &Chaos) -> (TcpStream, TcpStream) {
        let device = TcpStream::connect(chaos.address()).await.unwrap();
        (device, soon(self.connections.recv()).await.unwrap())
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it never came")
}

/// Reads exactly `count` bytes.
async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Whether `way` carries nothing while another connection through the same proxy carries something.
async fn swallows(chaos: &Chaos, upstream: &mut Upstream, from: &mut TcpStream, to: &mut TcpStream) -> bool {
    from.write_all(b"lost").await.unwrap();
    let (mut device, mut collector) = upstream.connect(chaos).await;
    device.write_all(b"there").await.unwrap();
    read(&mut collector, 5).await;
    let mut byte = [0];
    timeout(Duration::from_millis(50), to.read(&mut byte)).await.is_err()
}

#[tokio::test]
async fn in_a_calm_everything_passes_both_ways_and_ends_are_told() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::calm()).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;

    device.write_all(b"question").await.unwrap();
    assert_eq!(read(&mut collector, 8).await, b"question");
    device.shutdown().await.unwrap();
    assert_eq!(soon(collector.read(&mut [0])).await.unwrap(), 0);
    collector.write_all(b"answer").await.unwrap();
    assert_eq!(read(&mut device, 6).await, b"answer");
    assert_eq!((chaos.connections(), chaos.struck()), (1, 0));
}

#[tokio::test]
async fn a_cut_comes_after_the_bytes_of_the_plan_and_not_one_later() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::of(Fault::Cut).after(5..=5)).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;

    device.write_all(b"question").await.unwrap();

    let mut heard = Vec::new();
    soon(collector.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"quest");
    // The device sees an end or a reset, by what the kernel still held.
    assert!(soon(device.read(&mut [0])).await.unwrap_or(0) == 0);
}

#[tokio::test]
async fn a_reset_is_seen_as_one_at_both_ends() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::calm()).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;

    chaos.set(Plan::of(Fault::Reset));

    for end in [&mut device, &mut collector] {
        assert_eq!(soon(end.read(&mut [0])).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_half_open_line_swallows_both_ways_and_does_not_heal_and_new_ones_work() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::calm()).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;
    device.write_all(b"a").await.unwrap();
    read(&mut collector, 1).await;

    chaos.set(Plan::of(Fault::HalfOpen).only_open());
    assert!(swallows(&chaos, &mut upstream, &mut device, &mut collector).await);
    assert!(swallows(&chaos, &mut upstream, &mut collector, &mut device).await);
    chaos.set(Plan::calm());
    assert!(swallows(&chaos, &mut upstream, &mut device, &mut collector).await);
    drop(device);
    assert!(timeout(Duration::from_millis(50), collector.read(&mut [0])).await.is_err(), "the end is not told");
}

#[tokio::test]
async fn a_one_way_line_carries_the_other_way() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::calm()).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;
    device.write_all(b"a").await.unwrap();
    read(&mut collector, 1).await;

    chaos.set(Plan::of(Fault::OneWay(Way::Down)).only_open());
    assert!(swallows(&chaos, &mut upstream, &mut collector, &mut device).await);
    device.write_all(b"still").await.unwrap();
    assert_eq!(read(&mut collector, 5).await, b"still");
    drop(collector);
    assert!(timeout(Duration::from_millis(50), device.read(&mut [0])).await.is_err(), "the end is not told");
}

#[tokio::test]
async fn slices_delays_and_slowness_change_no_byte() {
    let mut upstream = Upstream::start().await;
    let sent: Vec<u8> = (0..5_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for fault in [
        Fault::Sliced { at_most: 7 },
        Fault::Slow { bytes_per_second: 50_000 },
        Fault::Delayed { at_most: Duration::from_millis(5) },
    ] {
        let chaos = Chaos::between(upstream.address, 1, Plan::of(fault)).await.unwrap();
        let (mut device, mut collector) = upstream.connect(&chaos).await;

        device.write_all(&sent).await.unwrap();
        assert_eq!(read(&mut collector, sent.len()).await, sent, "{fault:?}");
        collector.write_all(&sent).await.unwrap();
        assert_eq!(read(&mut device, sent.len()).await, sent, "{fault:?}");
        assert_eq!(chaos.struck(), 1);
    }
}

#[tokio::test]
async fn what_is_held_arrives_after_a_later_connection_and_after_its_own_end() {
    let mut upstream = Upstream::start().await;
    let chaos = Chaos::between(upstream.address, 1, Plan::calm()).await.unwrap();
    let (mut device, mut collector) = upstream.connect(&chaos).await;
    device.write_all(b"a").await.unwrap();
    read(&mut collector, 1).await;

    chaos.set(Plan::of(Fault::Held).only_open());
    device.write_all(b"late").await.unwrap();
    assert!(swallows(&chaos, &mut upstream, &mut device, &mut collector).await, "a later connection overtakes");
    drop(device);
    chaos.set(Plan::calm());

    assert_eq!(read(&mut collector, 8).await, b"latelost");
}

#[tokio::test]
async fn a_device_is_told_that_nobody_is_there() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let chaos = Chaos::between(nobody, 1, Plan::calm()).await.unwrap();

    let mut device = TcpStream::connect(chaos.address()).await.unwrap();

    assert_eq!(soon(device.read(&mut [0])).await.unwrap_or(0), 0);
}
