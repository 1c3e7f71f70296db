use proptest::prelude::*;

use super::*;
use crate::sensor::{Reason, SensorName};

fn encoded(message: &Message) -> BytesMut {
    let mut buffer = BytesMut::new();
    FrameCodec::default().encode(message, &mut buffer).unwrap();
    buffer
}

fn drain(codec: &mut FrameCodec, buffer: &mut BytesMut) -> Vec<Received> {
    std::iter::from_fn(|| codec.decode(buffer).unwrap()).collect()
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        Just(Message::Ping),
        Just(Message::Unfocused),
        Just(Message::Hello(Hello { role: Role::BrowserHost })),
        (any::<u64>(), ".{0,200}", any::<u32>()).prop_map(|(window, title, pid)| {
            Message::Title(Title { window, title, app: "editor".to_owned(), pid })
        }),
        (any::<u64>(), ".{0,200}", any::<bool>()).prop_map(|(tab, url, private)| {
            Message::Tab(Tab { browser: "chromium".to_owned(), tab, event: TabKind::SameDocument, url, private })
        }),
    ]
}

proptest! {
    #[test]
    fn messages_arrive_whole_however_the_stream_is_cut(
        messages in prop::collection::vec(message(), 1..6),
        piece in 1_usize..40,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|message| encoded(message).to_vec()).collect();
        let (mut codec, mut buffer, mut received) = (FrameCodec::default(), BytesMut::new(), Vec::new());
        for part in stream.chunks(piece) {
            buffer.extend_from_slice(part);
            received.extend(drain(&mut codec, &mut buffer));
        }
        let expected: Vec<_> = messages.into_iter().map(Received::Message).collect();
        prop_assert!(received == expected);
    }

    #[test]
    fn any_bytes_are_refused_or_read_within_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (mut codec, mut buffer) = (FrameCodec::default(), BytesMut::from(bytes.as_slice()));
        while let Ok(Some(_)) = codec.decode(&mut buffer) {}
        prop_assert!(buffer.capacity() <= 2 * (MAX_PAYLOAD_BYTES + HEADER_BYTES));
    }

    #[test]
    fn an_oversized_payload_is_skipped_and_what_follows_is_read(extra in 1_usize..70_000, piece in 1_usize..9_000) {
        let length = MAX_PAYLOAD_BYTES + extra;
        let mut stream = vec![b'L', b'W', 1, 2];
        stream.extend(u32::try_from(length).unwrap().to_le_bytes());
        stream.extend(std::iter::repeat_n(b'L', length));
        stream.extend(encoded(&Message::Ping));
        let (mut codec, mut buffer, mut received) = (FrameCodec::default(), BytesMut::new(), Vec::new());
        for part in stream.chunks(piece) {
            buffer.extend_from_slice(part);
            received.extend(drain(&mut codec, &mut buffer));
        }
        prop_assert!(received == [Received::Oversize, Received::Message(Message::Ping)]);
    }
}

#[test]
fn an_unknown_kind_and_an_unreadable_payload_are_dropped() {
    let mut buffer = BytesMut::from(&b"LW\x01\x63\x02\x00\x00\x00{}LW\x01\x02\x02\x00\x00\x00{}LW\x01\x06\0\0\0\0"[..]);
    let received = drain(&mut FrameCodec::default(), &mut buffer);
    assert!(received == [Received::Malformed, Received::Malformed, Received::Message(Message::Ping)]);
}

#[test]
fn an_unknown_field_is_ignored() {
    let mut buffer =
        BytesMut::from(&b"LW\x01\x01\x27\x00\x00\x00{\"role\":\"session\",\"account\":\"headteacher\"}"[..]);
    buffer[4] = u8::try_from(buffer.len() - HEADER_BYTES).unwrap();
    let received = drain(&mut FrameCodec::default(), &mut buffer);
    assert!(received == [Received::Message(Message::Hello(Hello { role: Role::Session }))]);
}

#[test]
fn another_version_ends_the_connection() {
    assert!(FrameCodec::default().decode(&mut BytesMut::from(&b"LW\x02\x06\0\0\0\0"[..])).is_err());
}

#[test]
fn a_health_reads_back_as_it_was() {
    let state = SensorHealth::Blind(Reason::NoWindowManager, Some("bare display".to_owned()));
    assert_eq!(Health::of(SensorName::Titles, &state).state(), Some(state));
}
