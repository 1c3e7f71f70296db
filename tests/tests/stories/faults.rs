//! What was spooled arrives once, whatever is killed in between.

use e2e::{Classroom, Who, eventually};

use crate::signals::{hears_of, told};

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_collector_was_down_arrives_once() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.device_works().await.expect("sensors at work");
    classroom.school.kill_collector().expect("the collector is killed");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _one = desk.desktop.window("kys nobody likes you").await.expect("a window");
    classroom.spooled(1).await.expect("the first is spooled");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _two = desk.desktop.window("how to self harm without anyone noticing").await.expect("a window");
    classroom.spooled(2).await.expect("the second is spooled");

    classroom.school.start_collector().expect("the collector is back");

    hears_of(&classroom, "dsl", "bullying").await.expect("the first arrives");
    hears_of(&classroom, "dsl", "self_harm").await.expect("the second arrives");
    assert_eq!(classroom.school.captures().await.expect("a count"), 2, "each arrived once");
    assert_eq!(told(&classroom, "dsl").await.expect("the queue").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_before_the_agent_was_killed_arrives_once() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.device_works().await.expect("sensors at work");
    classroom.school.kill_collector().expect("the collector is killed");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let window = desk.desktop.window("kys nobody likes you").await.expect("a window");
    classroom.spooled(1).await.expect("it is spooled");
    // Closed, so that the agent cannot see it a second time.
    drop(window);
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    eventually("the window to close", async || desk.desktop.focused_title().is_empty().then_some(()))
        .await
        .expect("closed");
    classroom.agent.kill().expect("the agent is killed");

    classroom.school.start_collector().expect("the collector is back");
    classroom.agent.start().expect("the agent is back");

    hears_of(&classroom, "dsl", "bullying").await.expect("it arrives");
    assert_eq!(classroom.school.captures().await.expect("a count"), 1, "it arrived once");
}
