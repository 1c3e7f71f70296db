//! Who may know what, and who says it was them.

use std::process::Stdio;

use e2e::{Classroom, Privileges, Who};

use crate::signals::{hears_of, told};

/// Says, as `who`, that a window of `claimed` has a title that matches.
fn claim(classroom: &mut Classroom, who: Who, claimed: &str) {
    let socket = classroom.agent.socket();
    let desk = classroom.desk(who).expect("a desk");
    let script = r#"
import json, socket, struct, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
def send(kind, **fields):
    body = json.dumps(fields).encode()
    peer.sendall(b"LW" + bytes([1, kind]) + struct.pack("<I", len(body)) + body)
send(1, role="session", account=sys.argv[2], uid=4201)
send(2, window=7, title="kys nobody likes you", app="x", pid=1, account=sys.argv[2], session=sys.argv[2], uid=4201)
sys.stdin.read()
"#;
    let child = desk
        .desktop
        .command("/usr/bin/python3")
        .args(["-c", script])
        .arg(socket)
        .arg(claimed)
        .stdin(Stdio::piped())
        .spawn()
        .expect("python runs");
    classroom.also_running(child);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_one_person_cannot_speak_as_another() {
    if e2e::privileges().expect("a private namespace") == Privileges::User {
        println!("left out: needs two accounts");
        return;
    }
    let mut classroom = Classroom::open(Privileges::Root).await.expect("a classroom");
    classroom.sign_in(Who::Staff).await.expect("the teacher signs in");

    claim(&mut classroom, Who::Staff, "lw-pupil");

    hears_of(&classroom, "head", "bullying").await.expect("the headteacher hears of the teacher");
    assert!(told(&classroom, "dsl").await.expect("the queue").is_empty(), "the pupil was not blamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concern_about_staff_is_invisible_to_the_dsl() {
    if e2e::privileges().expect("a private namespace") == Privileges::User {
        println!("left out: needs two accounts");
        return;
    }
    let mut classroom = Classroom::open(Privileges::Root).await.expect("a classroom");
    classroom.sign_in(Who::Staff).await.expect("the teacher signs in");
    let desk = classroom.desk(Who::Staff).expect("a desk");
    let _window = desk.desktop.window("how to hack school wifi").await.expect("a window");

    let path = hears_of(&classroom, "head", "malware_hacking").await.expect("the headteacher hears");

    assert!(told(&classroom, "dsl").await.expect("the queue").is_empty());
    let mut dsl = classroom.school.signed_in("dsl").await.expect("the DSL");
    let refused = dsl.get(&path).await.expect("an answer");
    let unknown = dsl.get("/concerns/K7-3F2P").await.expect("an answer");
    assert_eq!((refused.status, refused.body), (unknown.status, unknown.body), "the same answer as for none at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_title_is_shown_as_text() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _window = desk.desktop.window("how to self harm <img src=x> without anyone noticing").await.expect("a window");

    let path = hears_of(&classroom, "dsl", "self_harm").await.expect("the DSL hears");

    let mut dsl = classroom.school.signed_in("dsl").await.expect("the DSL");
    let page = dsl.get(&path).await.expect("the page");
    assert!(!page.body.contains("<img src=x>"), "markup came through");
    assert!(page.body.contains("&lt;img") || page.body.contains("&#60;img"), "the title is shown as it was");
}
