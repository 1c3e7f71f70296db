//! `media`: the removable media in this computer, by the fingerprints that a school approves them by.

use std::fmt::Write as _;

use lapwing_proto::{Bus, Media, Open};
use lapwing_rules::shown;

use crate::platform;

/// Prints them; ends with 1 where there is none.
pub(super) fn run() -> anyhow::Result<u8> {
    let media = platform::media_now()?;
    super::say(&text(&media))?;
    Ok(if media.is_empty() { super::PROBLEMS } else { 0 })
}

fn text(media: &[Media]) -> String {
    let mut text = String::new();
    for one in media {
        let fingerprint = one.serial_hash.map_or_else(
            || "no serial number, so that it cannot be approved".to_owned(),
            |hash| format!("sha256:{hash}"),
        );
        let megabytes = one.size_bytes / 1_000_000;
        let facts = format!("{}, {megabytes} MB, {}, \"{}\"", bus(one.bus), shown(&one.filesystem), shown(&one.label));
        let _ = writeln!(text, "{fingerprint}  {facts}");
    }
    if media.is_empty() { "no removable medium is mounted\n".to_owned() } else { text }
}

const fn bus(bus: Open<Bus>) -> &'static str {
    match bus {
        Open::Known(Bus::Usb) => "USB",
        Open::Known(Bus::Sd) => "memory card",
        Open::Known(Bus::Optical) => "disc",
        Open::Known(Bus::Loop) => "mounted file",
        Open::Known(Bus::Other) | Open::Unknown(_) => "removable",
    }
}

#[cfg(test)]
mod tests {
    use lapwing_rules::Digest;

    use super::*;

    #[test]
    fn a_medium_is_printed_by_its_fingerprint_and_nothing_of_it_moves_the_cursor() {
        let stick = Media {
            label: "BLUE\u{1b}[1A".to_owned(),
            size_bytes: 8_000_000_000,
            bus: Open::Known(Bus::Usb),
            serial_hash: Some(Digest::of(b"0042")),
            filesystem: "vfat".to_owned(),
        };
        let nameless = Media { serial_hash: None, ..stick.clone() };
        let printed = text(&[stick, nameless]);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[0], format!("sha256:{}  USB, 8000 MB, vfat, \"BLUE\\u{{1b}}[1A\"", Digest::of(b"0042")));
        assert!(lines[1].starts_with("no serial number, so that it cannot be approved  USB"));
        assert_eq!(text(&[]), "no removable medium is mounted\n");
    }
}
