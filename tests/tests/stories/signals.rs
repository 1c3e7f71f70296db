//! Each signal reaches the person it should, and nothing else does.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::{Classroom, Privileges, Who, eventually, eventually_within};

/// What the DSL's queue and low list hold, as (category, level).
pub(crate) async fn told(classroom: &Classroom, login: &str) -> anyhow::Result<Vec<(String, u8)>> {
    let mut console = classroom.school.signed_in(login).await?;
    let rows = e2e::all_rows(&mut console).await?;
    Ok(rows.into_iter().map(|row| (row.category, row.level)).collect())
}

/// Waits until `login` is told of `category`, and gives the path of the concern's page.
pub(crate) async fn hears_of(classroom: &Classroom, login: &str, category: &str) -> anyhow::Result<String> {
    let mut console = classroom.school.signed_in(login).await?;
    eventually(&format!("{login} to hear of {category}"), async || {
        let rows = e2e::all_rows(&mut console).await.ok()?;
        rows.into_iter().find(|row| row.category == category).map(|row| row.path)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_day_reaches_each_person_it_should() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.start_browser(Who::Pupil).await.expect("the pupil's browser");
    if privileges == Privileges::Root {
        classroom.sign_in(Who::Staff).await.expect("the teacher signs in");
        classroom.sign_in(Who::Class).await.expect("the class signs in");
    }
    classroom.device_works().await.expect("all sensors at work");
    let mut consoles = BTreeMap::new();
    for login in ["dsl", "head", "chair"] {
        consoles.insert(login, classroom.school.signed_in(login).await.expect(login));
    }

    let report = e2e::play(&classroom.room(), &mut consoles).await.expect("the day is played");

    assert!(report.problems.is_empty(), "{:#?}\nleft out: {:?}", report.problems, report.left_out);
    assert!(privileges == Privileges::User || report.left_out.is_empty(), "left out: {:?}", report.left_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_mirrors_typing_never_mirrors_it_to_the_dsl() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.start_browser(Who::Pupil).await.expect("the pupil's browser");
    classroom.device_works().await.expect("all sensors at work");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    desk.browser.as_ref().expect("a browser").open(&desk.desktop, "https://search.example/mirror").expect("a page");
    eventually("the search page", async || desk.desktop.focused_title().starts_with("Search").then_some(()))
        .await
        .expect("the page is in front");

    // Typed through without a rest, the dangerous words stand for a tenth of the settle time only.
    desk.desktop.type_text("kys nobody likes you", 30).expect("typing");
    desk.desktop.press("ctrl+a").expect("select");
    desk.desktop.type_text("otters of the river Wye", 30).expect("typing");
    eventually("the harmless words", async || {
        desk.desktop.focused_title().starts_with("otters of the river Wye").then_some(())
    })
    .await
    .expect("the harmless words stand");
    let _after = desk.desktop.window("how to unblock the school filter with a proxy").await.expect("a window");

    hears_of(&classroom, "dsl", "filter_bypass").await.expect("what came after is heard of");
    let told = told(&classroom, "dsl").await.expect("the queue");
    assert_eq!(told, [("filter_bypass".to_owned(), 3)]);
}

/// Runs a command of the agent that looks at this computer. Says whether all is well, and what it printed.
fn looks(words: &[&str], classroom: &Classroom, who: Who, privileges: Privileges) -> anyhow::Result<(bool, String)> {
    let program = classroom.agent.program().display().to_string();
    let mut command = match privileges {
        Privileges::Root => std::process::Command::new(program),
        // Whoever runs the service is signed in as well.
        Privileges::User => classroom.desktop(who)?.command(&program),
    };
    let output = command.args(words).arg("--config").arg(classroom.agent.config()).output()?;
    anyhow::ensure!(output.status.code() != Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The collector looks for daily checks once a minute.
const LOOKS_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_check_goes_the_whole_way_into_the_log_and_a_sensor_that_is_broken_fails_it() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.start_browser(Who::Pupil).await.expect("the pupil's browser");
    eventually("the browser's extension", async || {
        let (_, told) = looks(&["doctor"], &classroom, Who::Pupil, privileges).ok()?;
        told.contains("ok    urls").then_some(())
    })
    .await
    .expect("all sensors at work");

    let (passed, told) = looks(&["check"], &classroom, Who::Pupil, privileges).expect("the check runs");

    assert!(passed, "{told}");
    let logged = async || {
        let log = classroom.school.collect(&["checks", "list", "--all"], &[]).ok()?;
        log.lines().any(|line| line.contains("passed\tlapwing\tdaily check of")).then_some(())
    };
    eventually_within(LOOKS_WITHIN, "the check in the log", logged).await.expect("a device that passed is in the log");
    assert_eq!(self::told(&classroom, "dsl").await.expect("the queue"), [], "nobody is troubled by it");

    classroom.desk(Who::Pupil).expect("a desk").desktop.lose_window_manager();
    let broken = ["check", "--within", "10"];
    let (passed, told) = looks(&broken, &classroom, Who::Pupil, privileges).expect("the check runs");
    assert!(!passed && told.contains("WRONG titles: not seen: no window manager"), "{told}");
    assert!(told.contains("ok    files: seen"), "{told}");
}
