use std::io::Cursor;

use super::*;
use crate::store::fixture::{NINE_US, School};
use crate::subject::Kind;

fn frames(text: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut stream, mut message, mut read) = (Cursor::new(text.as_bytes()), Vec::new(), Vec::new());
        while next(&mut stream, &mut message).await.unwrap() {
            read.push(String::from_utf8(message.clone()).unwrap());
        }
        read
    })
}

#[test]
fn messages_of_a_connection_are_lines_or_told_by_their_length() {
    assert_eq!(frames("<1>a\n<1>b\n"), ["<1>a\n", "<1>b\n"]);
    assert_eq!(frames("4 <1>a5 <1>bc<1>d\n"), ["<1>a", "<1>bc", "<1>d\n"]);
    assert_eq!(frames("4 <1>"), ["<1>"], "one that is cut off");
    assert!(frames("99999999 <1>a").is_empty() && frames("1x <1>a").is_empty(), "a length that is none ends it");
    let long = "x".repeat(2 * MAX_MESSAGE_BYTES);
    let read = frames(&format!("{}\n<1>b\n", "x".repeat(MAX_MESSAGE_BYTES + 10)));
    assert_eq!(read.iter().map(String::len).collect::<Vec<_>>(), [MAX_MESSAGE_BYTES, 11, 5]);
    assert_eq!(frames(&format!("{} {long}<1>b\n", long.len())).iter().map(String::len).max(), Some(MAX_MESSAGE_BYTES));
}

fn ear(from: &str) -> (Ear, mpsc::Receiver<Alert>) {
    let (queue, waiting) = mpsc::channel(2);
    let wanted = FilterSyslog {
        listen: "127.0.0.1:0".parse().unwrap(),
        format: Source::Sophos,
        from: vec![from.parse().unwrap()],
    };
    let clock = Arc::new(crate::clock::ManualClock::at(NINE_US));
    (Ear { wanted: Arc::new(wanted), zone: TimeZone::UTC, clock, queue, lost: Arc::default() }, waiting)
}

#[test]
fn what_is_no_alert_is_counted_and_what_the_queue_cannot_hold_too() {
    let (ear, mut waiting) = ear("10.0.0.9");
    for text in [
        "<1>user_name=amy category=Weapons url=https://a.example/",
        "<1>user_name=amy category=News url=https://a.example/",
        "<1>category=Weapons url=https://a.example/",
        "\u{0}\u{0}",
        "<1>user_name=ben category=Drugs domain=a.example",
        "<1>user_name=cy category=Drugs domain=a.example",
    ] {
        ear.hear(text.as_bytes());
    }
    assert_eq!((ear.lost.unread.load(Ordering::Relaxed), ear.lost.dropped.load(Ordering::Relaxed)), (1, 1));
    let taken = std::iter::from_fn(|| waiting.try_recv().ok());
    let at: Vec<i64> = taken.map(|alert| alert.capture(Source::Sophos, i64::MAX).unwrap().wall_us).collect();
    assert_eq!(at, [NINE_US, NINE_US], "without a time of its own, now");
    assert!(ear.knows("::ffff:10.0.0.9".parse().unwrap()) && !ear.knows("10.0.0.8".parse().unwrap()));
}

#[tokio::test]
async fn messages_become_concerns_over_both_ways_and_strangers_are_not_heard() {
    use tokio::io::AsyncWriteExt as _;

    let school = School::open().await;
    school.person("amy", Kind::Pupil, &[]).await;
    let text = format!(
        "data_dir = {:?}\n[school]\nid = \"hill-school\"\nname = \"Hill\"\nzone = \"Europe/London\"\n\
         [filter_syslog]\nlisten = \"127.0.0.1:0\"\nformat = \"sophos\"\nfrom = [\"127.0.0.2\"]\n",
        school.folder()
    );
    std::fs::write(school.path("collector.toml"), text).unwrap();
    let config = Config::load(&school.path("collector.toml")).unwrap();
    let syslog = Syslog::bind(config.filter_syslog.clone().unwrap()).await.unwrap();
    let (address, shutdown) = (syslog.address(), Shutdown::new());
    let (triage, stop) = (Arc::new(Notify::new()), shutdown.clone());
    let parts = SyslogParts {
        config: Arc::new(ArcSwap::from_pointee(config)),
        store: school.store.clone(),
        vault: school.vault.clone(),
        clock: Arc::new(crate::clock::ManualClock::at(NINE_US)),
        triage: Arc::clone(&triage),
        shutdown,
    };
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(syslog.run(parts));
    let message = |user: &str, category: &str| {
        format!("<134>Sep 28 09:55:00 gw utm: user_name={user} category={category} url=https://a.example/\n")
    };
    let stranger = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    stranger.send_to(message("amy", "Suicide").as_bytes(), address).await.unwrap();
    let filter = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    filter.send_to(message("amy", "Gambling").as_bytes(), address).await.unwrap();
    let connection = tokio::net::TcpSocket::new_v4().unwrap();
    connection.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut connection = connection.connect(address).await.unwrap();
    connection.write_all(message("amy", "Drugs").as_bytes()).await.unwrap();
    while school.count("SELECT COUNT(*) FROM captures").await < 2 {
        triage.notified().await;
    }
    stop.request();
    tasks.close();
    tasks.wait().await;
    school.triage_all().await;
    assert_eq!(school.texts("SELECT category FROM concerns ORDER BY category").await, ["drugs", "gambling"]);
}
