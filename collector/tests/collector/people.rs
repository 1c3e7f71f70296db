//! People, whom devices ask about, whom concerns go to, and who signs in.

use std::process::Stdio;

use lapwing_proto::{band_from_wire, wire};
use lapwing_rules::Band;
use tokio::io::AsyncWriteExt;

use crate::device::{Device, batch};
use crate::school::{School, eventually, program};

pub(crate) const PEOPLE: &str = "account,name,role,class,band,mail\n\
    amy.b,Amy Brown,pupil,7B,ks3,\n\
    j.okafor,Joy Okafor,staff;dsl,,,j.okafor@hill.example\n\
    ks1-laptop,Class log-on,shared,,ks1,\n";

pub(crate) async fn import(school: &School, people: &str) -> std::process::Output {
    std::fs::write(school.path("people.csv"), people).unwrap();
    school.run(&["people", "import", &school.path("people.csv").display().to_string()]).await
}

/// Enough people to approve what one may not do alone.
pub(crate) const SENIORS: &str = "account,name,role,class,band,mail\n\
    dsl,Sam Dsl,dsl,,,\ndeputy,Di Deputy,deputy_dsl,,,\nhead,Hari Head,headteacher,,,\nchair,Cy Chair,chair,,,\n";

/// Brings in the seniors; the first `many` of them can sign in.
pub(crate) async fn staff(school: &School, many: usize) {
    assert!(import(school, SENIORS).await.status.success());
    for login in ["dsl", "deputy", "head", "chair"].into_iter().take(many) {
        assert!(add_sign_in(school, login, login, "a long pass phrase").await.status.success());
    }
}

async fn add_user(school: &School, password: &str) -> std::process::Output {
    add_sign_in(school, "joy", "J.Okafor", password).await
}

async fn add_sign_in(school: &School, login: &str, account: &str, password: &str) -> std::process::Output {
    let mut command = program();
    command.args(["user", "add", "--login", login, "--account", account, "--config"]).arg(school.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn a_device_is_told_the_band_of_an_account_and_its_own_group_for_a_stranger() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    assert!(import(&school, PEOPLE).await.status.success());
    let mut uplink = device.uplink(&school).await;
    let mut told = async |account: &str| {
        let request = wire::ResolveSessionRequest { account: account.to_owned(), groups: Vec::new() };
        let answer = uplink.resolve_session(request).await.unwrap().into_inner();
        (band_from_wire(answer.band), answer.group, answer.mapped)
    };

    assert_eq!(told("AMY.B").await, (Some(Band::Ks3), "7B".to_owned(), true));
    assert_eq!(told("j.okafor").await, (Some(Band::Staff), String::new(), true));
    assert_eq!(told("ks1-laptop").await, (Some(Band::Shared), String::new(), true));
    assert_eq!(told("nobody").await, (None, "ict-suite".to_owned(), false));
}

#[tokio::test]
async fn a_bad_list_imports_nobody_and_names_the_line() {
    let school = School::open().await;

    let output = import(&school, &format!("{PEOPLE}x,Somebody,wizard,,,\n")).await;

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(said.contains("people.csv") && said.contains("line 5"), "{said}");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 0);
}

#[tokio::test]
async fn a_second_step_is_forgotten_by_the_sign_in_name_and_logged() {
    let school = School::open().await;
    assert!(import(&school, PEOPLE).await.status.success());
    assert!(add_sign_in(&school, "joy", "J.Okafor", "a long pass phrase").await.status.success());
    let reset = async |login| school.run(&["user", "reset-second-step", "--login", login]).await;

    let nobody = reset("nobody").await;
    assert_eq!(nobody.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody signs in as that"));
    let none = reset("joy").await;
    assert!(none.status.success());
    assert!(String::from_utf8_lossy(&none.stdout).contains("joy had none"), "{none:?}");
    for made in [
        "INSERT INTO second_steps SELECT school_id, person_id, x'01010101010101010101010101010101', x'00', 0, 0 FROM sign_ins",
        "INSERT INTO recovery_codes SELECT school_id, person_id, x'02' FROM sign_ins",
        "INSERT INTO sign_in_turns SELECT school_id, x'03', login, person_id, 0, 0 FROM sign_ins",
        "INSERT INTO web_sessions SELECT school_id, x'04', person_id, x'05', 0, 0 FROM sign_ins",
    ] {
        school.write(sqlx::query(made)).await;
    }
    let some = reset("joy").await;
    assert!(String::from_utf8_lossy(&some.stdout).contains("give them a new one in person"), "{some:?}");
    let left = "SELECT (SELECT COUNT(*) FROM second_steps) + (SELECT COUNT(*) FROM recovery_codes)
        + (SELECT COUNT(*) FROM sign_in_turns) + (SELECT COUNT(*) FROM web_sessions)";
    assert_eq!(school.count(left).await, 0);
    let logged = "SELECT COUNT(*) FROM audit_acts WHERE act LIKE '%second_step_forgotten%'";
    assert_eq!(school.count(logged).await, 2);
}

#[tokio::test]
async fn a_sign_in_needs_a_person_of_the_list_and_a_password_that_is_long_enough() {
    let school = School::open().await;

    assert_eq!(add_user(&school, "a long pass phrase\n").await.status.code(), Some(64));
    assert!(import(&school, PEOPLE).await.status.success());
    assert_eq!(add_user(&school, "short\n").await.status.code(), Some(64));
    assert_eq!(school.count("SELECT COUNT(*) FROM sign_ins").await, 0);
    assert!(add_user(&school, "a long pass phrase\n").await.status.success());
    assert_eq!(school.count("SELECT COUNT(*) FROM sign_ins WHERE login = 'joy'").await, 1);
}

#[tokio::test]
async fn what_a_device_delivers_becomes_a_concern_of_the_safeguarding_lead() {
    let school = School::open().await;
    assert!(import(&school, PEOPLE).await.status.success());
    assert!(add_user(&school, "a long pass phrase").await.status.success());
    let device = Device::enrol(&school).await;

    let (mut delivery, _) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 3)).await;

    let concerns = "SELECT COUNT(DISTINCT r.concern_id) FROM concern_recipients AS r
        JOIN sign_ins AS i ON i.person_id = r.person_id WHERE i.login = 'joy'";
    eventually("the concern", async || (school.count(concerns).await == 1).then_some(())).await;
    eventually("the last capture's triage", async || {
        (school.count("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await == 0).then_some(())
    })
    .await;
    assert_eq!(school.count("SELECT captures FROM concerns").await, 3);
}

fn said(output: &std::process::Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

const ROSTER: &str = "account,name,role,class,band,mail,reference,gender,year,vulnerable,teaches\n\
    amy.b,Amy Brown,pupil,7B,,,R1,Female,7,yes,\nlou,Lou Last,pupil,13A,,,R2,,13,,\n\
    t.reed,Tom Reed,staff;class_teacher,,,,S1,,,,7B\n";

#[tokio::test]
async fn a_dry_run_shows_old_and_new_and_marks_in_numbers_alone() {
    let school = School::open().await;
    assert!(import(&school, &ROSTER.replace(",yes,", ",,")).await.status.success());
    std::fs::write(school.path("people.csv"), ROSTER.replace("7B,,,R1", "8B,,,R1").replace("staff;class", "class"))
        .unwrap();

    let file = school.path("people.csv").display().to_string();
    let told = school.command(&["people", "import", &file, "--dry-run"]).await;

    let expected = "~ Amy Brown [amy.b]: class \"7B\" -> \"8B\"\nmarks of vulnerable pupils: 1 set, 0 taken away\n\
        0 would be added, 1 changed, 2 the same, 0 not in the file, 0 left";
    assert_eq!(told, expected);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE vulnerable = 1").await, 0);
}

#[tokio::test]
async fn many_leave_only_where_somebody_says_so() {
    let school = School::open().await;
    assert!(import(&school, ROSTER).await.status.success());
    std::fs::write(school.path("people.csv"), PEOPLE).unwrap();
    let file = school.path("people.csv").display().to_string();

    let refused = school.run(&["people", "import", &file, "--leavers"]).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(said(&refused).contains("1 of 2 people of kind `pupil`") && said(&refused).contains("--yes-many"));
    assert_eq!(school.run(&["people", "import", &file, "--yes-many"]).await.status.code(), Some(64));

    let told = school.command(&["people", "import", &file, "--leavers", "--yes-many"]).await;
    assert!(told.contains("- Lou Last [lou] leaves") && told.ends_with("2 left"), "{told}");
}

#[tokio::test]
async fn pupils_move_up_once_and_the_second_time_says_so() {
    let school = School::open().await;
    assert!(import(&school, ROSTER).await.status.success());
    let next = lapwing_collector::clock::Clock::wall_us(&*school.clock) / 31_557_600_000_000 + 1970;
    let date = format!("{next}-09-01");
    std::fs::write(school.path("classes.csv"), "from,to\n7B,8B\n").unwrap();
    let classes = school.path("classes.csv").display().to_string();

    let dry = school.command(&["people", "roll-over", "--date", &date, "--dry-run"]).await;
    assert!(dry.starts_with("1 pupils would move up into"), "{dry}");
    let done = school.command(&["people", "roll-over", "--date", &date, "--classes", &classes]).await;
    assert!(done.starts_with("1 pupils moved up into") && done.contains("1 leave"), "{done}");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE class = '8B' AND year_group = '8'").await, 1);
    let again = school.command(&["people", "roll-over", "--date", &date]).await;
    assert!(again.contains("already; nothing was changed"), "{again}");
    let slip = school.run(&["people", "roll-over", "--date", "2099-09-01"]).await;
    assert_eq!(slip.status.code(), Some(64));
}

#[tokio::test]
async fn nothing_is_watched_before_the_school_has_its_approvers() {
    let school = School::open().await;
    staff(&school, 2).await;

    let check = school.run(&["people", "check"]).await;
    assert_eq!(check.status.code(), Some(1));
    let lines = said(&check);
    assert!(lines.contains("to grant a privileged role takes 3 persons, one who asks and two who approve: 2 can"));
    assert!(lines.contains("give a sign-in to whoever holds the role headteacher"), "{lines}");
    let policy = crate::control::signed_policy(4, "sample-school");
    std::fs::write(school.path("policy"), policy).unwrap();
    let file = school.path("policy").display().to_string();
    let refused = school.run(&["policy", "publish", &file]).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(said(&refused).contains("the policy is not published: the school's people are too few"));

    assert!(add_sign_in(&school, "head", "head", "a long pass phrase").await.status.success());
    school.command(&["policy", "publish", &file]).await;
    assert!(add_sign_in(&school, "chair", "chair", "a long pass phrase").await.status.success());
    let whole = school.run(&["people", "check"]).await;
    assert!(whole.status.success() && said(&whole).contains("warning: to close an illegal case about the headteacher"));
}

#[tokio::test]
async fn a_privileged_role_is_asked_for_by_name_and_waits() {
    let school = School::open().await;
    staff(&school, 4).await;
    let more = format!("{SENIORS}new,New Deputy,deputy_dsl,,,\ntech,Tess Tech,technician,,,\n");

    let refused = import(&school, &more).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(
        said(&refused).contains("people.csv: line 6, column `role`: somebody gets deputy_dsl"),
        "{}",
        said(&refused)
    );
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 4);

    let file = school.path("people.csv").display().to_string();
    let nobody = school.run(&["people", "import", &file, "--asked-by", "tech"]).await;
    assert_eq!(nobody.status.code(), Some(64));
    let told = school.command(&["people", "import", &file, "--asked-by", "dsl"]).await;
    assert!(told.contains("takes two approvers, and stays as it is until then: line 6"), "{told}");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 6);
    assert_eq!(school.count("SELECT COUNT(*) FROM person_roles WHERE role = 'deputy_dsl'").await, 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM requests WHERE state = 'waiting'").await, 1);
}

#[tokio::test]
async fn an_absence_is_recorded_listed_and_ended() {
    let school = School::open().await;
    staff(&school, 1).await;
    let us = lapwing_collector::clock::Clock::wall_us(&*school.clock);
    let day = |days: i64| date_of(us, days);
    assert_eq!(school.command(&["people", "absence", "list"]).await, "nobody is away");

    let add = async |person: &str, from: &str, until: &str| {
        school.run(&["people", "absence", "add", "--person", person, "--from", from, "--until", until]).await
    };
    assert!(said(&add("dsl", &day(2), &day(3)).await).starts_with(&format!(
        "dsl is away from {} 00:00 until {} 00:00",
        day(2),
        day(4)
    )));
    let merged = add("dsl", &format!("{}T12:00", day(3)), &format!("{}T08:30", day(5))).await;
    assert!(said(&merged).contains(&format!("from {} 00:00 until {} 08:30", day(2), day(5))), "{}", said(&merged));
    for (person, from, until) in
        [("dsl", "soon", "2099-01-01"), ("nobody", &*day(1), &*day(2)), ("dsl", &*day(3), &*day(1))]
    {
        assert_eq!(add(person, from, until).await.status.code(), Some(64), "{person} {from} {until}");
    }

    let list = school.command(&["people", "absence", "list"]).await;
    assert_eq!(list.lines().count(), 1, "{list}");
    let id = list.split(' ').next().unwrap().to_owned();
    assert!(school.command(&["people", "absence", "end", &id]).await.ends_with("has ended"));
    assert_eq!(school.run(&["people", "absence", "end", &id]).await.status.code(), Some(64));
}

/// The date in London, so many days later.
fn date_of(at_us: i64, days: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at_us).unwrap();
    let date = at.in_tz("Europe/London").unwrap().date();
    date.checked_add(jiff::Span::new().days(days)).unwrap().to_string()
}

#[tokio::test]
async fn a_memory_stick_is_approved_listed_and_withdrawn() {
    let school = School::open().await;
    staff(&school, 1).await;
    let fingerprint = lapwing_rules::Digest::of(b"0042").to_string();
    assert_eq!(school.command(&["media", "list"]).await, "no medium is in the register");
    let approve = async |fingerprint: &str, owner: &str, until: &str| {
        let given = ["media", "approve", "--fingerprint", fingerprint, "--owner", owner, "--until", until];
        school.run(&[given.as_slice(), &["--name", "Blue stick", "--permission", "The head; scanned"]].concat()).await
    };
    let day = date_of(lapwing_collector::clock::Clock::wall_us(&*school.clock), 30);
    for (fingerprint, owner, until) in
        [("00", "dsl", &*day), (&fingerprint, "nobody", &day), (&fingerprint, "dsl", "2001-01-01")]
    {
        let refused = approve(fingerprint, owner, until).await;
        assert!(matches!(refused.status.code(), Some(2 | 64)), "{}", said(&refused));
    }
    assert_eq!(school.command(&["media", "list"]).await, "no medium is in the register");
    assert!(approve(&format!("sha256:{fingerprint}"), "dsl", &day).await.status.success());
    let list = school.command(&["media", "list"]).await;
    assert!(list.starts_with(&format!("{fingerprint}\t{day}\tBlue stick\t")), "{list}");
    assert!(list.ends_with("\tThe head; scanned"), "{list}");
    assert!(school.command(&["media", "withdraw", &fingerprint]).await.ends_with("is approved no more"));
    assert_eq!(school.run(&["media", "withdraw", &fingerprint]).await.status.code(), Some(64));
}

#[tokio::test]
async fn devices_stand_in_the_rooms_of_a_list_or_none_of_them_moves() {
    let school = School::open().await;
    let _device = Device::enrol(&school).await;
    let run = async |text: &str| {
        std::fs::write(school.path("rooms.csv"), text).unwrap();
        school.run(&["device", "rooms", &school.path("rooms.csv").display().to_string()]).await
    };

    let bad = run("host,room\npc-12,Library\npc-12,Hall\n").await;
    assert_eq!(bad.status.code(), Some(64));
    assert!(said(&bad).contains("line 3, column `host`: the host stands in line 2 already"));
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE room = 'Room 12'").await, 1);
    let good = run("host,room\nPC-12,Library\nnew-pc,Hall\n").await;
    assert!(said(&good).ends_with("1 rooms changed, 0 the same, 1 hosts not enrolled\n"), "{}", said(&good));
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE room = 'Library'").await, 1);
}
