use std::sync::atomic::Ordering;

use super::*;
use crate::store::fixture::{NINE_US, School};
use crate::subject::Kind;

fn config(folder: &std::path::Path, from: &str) -> Config {
    let text = format!(
        "data_dir = {folder:?}\n[school]\nid = \"hill-school\"\nname = \"Hill\"\nzone = \"Europe/London\"\n\
         [filter_syslog]\nlisten = \"127.0.0.1:0\"\nformat = \"sophos\"\nfrom = [\"{from}\"]\ndatagrams = true\n"
    );
    std::fs::write(folder.join("collector.toml"), text).unwrap();
    Config::load(&folder.join("collector.toml")).unwrap()
}

#[tokio::test]
async fn what_is_no_alert_is_counted_by_why_and_a_repeat_adds_nothing_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "10.0.0.9");
    let clock = Arc::new(crate::clock::ManualClock::at(NINE_US + 300_000));
    let (queue, mut waiting) = queue::queue();
    let ear = Ear {
        wanted: Arc::new(config.filter_syslog.clone().unwrap()),
        config: Arc::new(ArcSwap::from_pointee(config)),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        queue,
        lately: Arc::default(),
        lost: Arc::default(),
    };
    let hear = |text: &str| match ear.hear(text.as_bytes()) {
        Heard::Alert(alert) => {
            assert!(ear.queue.try_send(*alert));
            "alert"
        }
        Heard::Nothing => "nothing",
        Heard::NoMessage => "no message",
    };
    for (text, was) in [
        ("<1>user_name=cy category=Gambling domain=a.example", "alert"),
        ("<1>user_name=amy category=Weapons url=https://a.example/", "alert"),
        ("<1>user_name=amy category=Weapons url=https://a.example/other", "nothing"),
        ("<1>user_name=amy category=News url=https://a.example/", "nothing"),
        ("<1>category=Weapons url=https://a.example/", "nothing"),
        ("<1>user_name=amy webcat=Weapons url=https://a.example/", "nothing"),
        ("\u{0}\u{0}", "no message"),
        ("GET /?;user_name=amy;category=Suicide;url=https://a.example/ HTTP/1.1", "no message"),
        ("<1>user_name=ben category=Drugs domain=a.example time=soon", "alert"),
    ] {
        assert_eq!(hear(text), was, "{text}");
    }
    let lost = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!((lost(&ear.lost.unread), lost(&ear.lost.left_out), lost(&ear.lost.dropped)), (4, 1, 0));
    clock.advance_us(10 * 60 * 1_000_000);
    assert_eq!(hear("<1>user_name=amy category=Weapons url=https://a.example/"), "alert");
    let mut levels = Vec::new();
    for _ in 0..4 {
        let capture = waiting.next().await.unwrap().capture(Source::Sophos, i64::MAX).unwrap();
        levels.push((capture.account.name.clone(), capture.wall_us == NINE_US));
    }
    let grave_first = [("amy", true), ("amy", false), ("cy", true), ("ben", true)];
    assert_eq!(levels, grave_first.map(|(name, is_nine)| (name.to_owned(), is_nine)), "by the second");
    assert!(ear.knows("::ffff:10.0.0.9".parse().unwrap()) && !ear.knows("10.0.0.8".parse().unwrap()));
}

#[tokio::test]
async fn messages_become_concerns_over_both_ways_and_strangers_are_not_heard() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let socket_of_filter = || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket
    };

    let school = School::open().await;
    school.person("amy", Kind::Pupil, &[]).await;
    let config = config(school.folder(), "127.0.0.2");
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
    let mut connection = socket_of_filter().connect(address).await.unwrap();
    let mut relayed = socket_of_filter().connect(address).await.unwrap();
    relayed.write_all(b"GET /?;user_name=amy;category=Suicide;url=https://a.example/ HTTP/1.1\r\n").await.unwrap();
    assert_eq!(relayed.read(&mut [0; 8]).await.unwrap_or(0), 0, "no message ends its connection");
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
