use super::super::seeded::{PASSWORD, Seeded, Visitor};
use super::*;

const YEARS_US: i64 = 3 * 365 * 24 * 60 * 60 * 1_000_000;

async fn try_in(visitor: &mut Visitor, login: &str, password: &str) -> StatusCode {
    visitor.get("/sign-in").await;
    visitor.post("/sign-in", &[("login", login), ("password", password)]).await.status
}

#[tokio::test]
async fn the_right_password_leads_to_the_second_step_and_opens_nothing() {
    let seeded = Seeded::open().await;
    seeded.add_sign_in("dsl").await;
    let mut visitor = seeded.stranger();
    assert_eq!(visitor.get("/").await.location(), "/sign-in");
    assert_eq!(try_in(&mut visitor, " DSL ", PASSWORD).await, StatusCode::SEE_OTHER);
    assert_eq!(visitor.session_cookie(), None);
    assert_eq!(visitor.get("/queue").await.location(), "/sign-in?onward=/queue");
    let turn = visitor.cookie_named("__Host-lapwing-turn").unwrap().to_owned();
    visitor.keep(&format!("__Host-lapwing={turn}"));
    assert_eq!(visitor.get("/queue").await.location(), "/sign-in?onward=/queue", "a turn is no session");
}

#[tokio::test]
async fn a_sign_in_closes_after_five_wrong_passwords_and_opens_again_later() {
    let seeded = Seeded::open().await;
    seeded.add_sign_in("dsl").await;
    let mut visitor = seeded.stranger();
    for _ in 0..5 {
        assert_eq!(try_in(&mut visitor, "dsl", "a wrong password").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED);
    seeded.clock.advance_us(60_000_001);
    assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_sign_in_closed_while_the_clock_was_years_ahead_is_open_and_closes_again() {
    let seeded = Seeded::open().await;
    seeded.add_sign_in("dsl").await;
    let mut visitor = seeded.stranger();
    seeded.clock.advance_us(YEARS_US);
    for _ in 0..5 {
        try_in(&mut visitor, "dsl", "a wrong password").await;
    }
    assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED);
    seeded.clock.advance_us(-YEARS_US);
    try_in(&mut visitor, "dsl", "a wrong password").await;
    assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED, "it closes again");
    seeded.clock.advance_us(2 * 60_000_000 + 1);
    assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_of_a_clock_that_was_years_ahead_is_over_and_one_of_seconds_ahead_is_not() {
    let seeded = Seeded::open().await;
    seeded.clock.advance_us(YEARS_US);
    let mut ahead = seeded.visitor("dsl").await;
    assert_eq!(ahead.get("/queue").await.status, StatusCode::OK);
    seeded.clock.advance_us(-YEARS_US);
    assert_eq!(ahead.get("/queue").await.status, StatusCode::SEE_OTHER);
    let mut now = seeded.visitor("dsl").await;
    seeded.clock.advance_us(-2_000_000);
    assert_eq!(now.get("/queue").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_answer_alike() {
    let seeded = Seeded::open().await;
    seeded.add_sign_in("dsl").await;
    let mut visitor = seeded.stranger();
    visitor.get("/sign-in").await;
    let wrong = visitor.post("/sign-in", &[("login", "dsl"), ("password", "a wrong password")]).await;
    let unknown = visitor.post("/sign-in", &[("login", "nobody"), ("password", "a wrong password")]).await;
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
}

#[tokio::test]
async fn the_door_refuses_a_form_from_elsewhere_or_without_its_token() {
    let seeded = Seeded::open().await;
    let mut visitor = seeded.stranger();
    let fields = [("csrf", "x"), ("login", "dsl"), ("password", PASSWORD)];
    assert_eq!(visitor.post_from("https://lapwing.test", "/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
    let page = visitor.get("/sign-in").await;
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("csrf", csrf.as_str()), ("login", "dsl"), ("password", PASSWORD)];
    assert_eq!(visitor.post_from("https://evil.test", "/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_session_ends_unused_after_15_minutes_and_used_after_8_hours() {
    let seeded = Seeded::open().await;
    let mut visitor = seeded.visitor("dsl").await;
    let minute_us = 60_000_000;
    for _ in 0..34 {
        seeded.clock.advance_us(14 * minute_us);
        assert_eq!(visitor.get("/queue").await.status, StatusCode::OK);
    }
    seeded.clock.advance_us(14 * minute_us);
    assert_eq!(visitor.get("/queue").await.status, StatusCode::SEE_OTHER);
    let mut visitor = seeded.visitor("dsl").await;
    seeded.clock.advance_us(15 * minute_us + 1);
    assert_eq!(visitor.get("/queue").await.location(), "/sign-in?onward=/queue");
}
