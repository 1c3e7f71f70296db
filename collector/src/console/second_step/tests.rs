use data_encoding::BASE32;

use super::super::seeded::{Answer, PASSWORD, Seeded, Visitor};
use super::*;
use crate::clock::Clock as _;

const MINUTE_US: i64 = 60_000_000;

/// Somebody at the console, and what their phone holds.
pub(in crate::console) struct Person<'a> {
    seeded: &'a Seeded,
    login: &'static str,
    pub(in crate::console) visitor: Visitor,
    key: Option<AuthenticatorKey>,
    pub(in crate::console) recovery: Vec<String>,
}

impl<'a> Person<'a> {
    async fn at(seeded: &'a Seeded, login: &'static str) -> Self {
        seeded.add_sign_in(login).await;
        Self { seeded, login, visitor: seeded.stranger(), key: None, recovery: Vec::new() }
    }

    /// Gives name and password. Answers where that leads.
    pub(in crate::console) async fn enters(&mut self) -> String {
        self.visitor.get("/sign-in").await;
        let fields = [("login", self.login), ("password", PASSWORD)];
        self.visitor.post("/sign-in", &fields).await.location().to_owned()
    }

    /// Takes the key that is offered, and proves it.
    async fn sets_up(&mut self) -> Answer {
        let page = self.visitor.get("/sign-in/set-up").await.body;
        self.key = Some(key_of(&page));
        let answer = self.gives("/sign-in/set-up", &self.code()).await;
        self.recovery =
            answer.body.split("<code>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect();
        answer
    }

    /// The code that their phone shows now.
    pub(in crate::console) fn code(&self) -> String {
        self.key.as_ref().unwrap().code_at(self.seeded.clock.wall_us())
    }

    pub(in crate::console) async fn gives(&mut self, page: &str, code: &str) -> Answer {
        self.visitor.get(page).await;
        self.visitor.post(page, &[("code", code)]).await
    }

    async fn is_in(&mut self) -> bool {
        self.visitor.get("/queue").await.status == StatusCode::OK
    }

    /// Signed in, a minute ago.
    pub(in crate::console) async fn signed_in(seeded: &'a Seeded) -> Self {
        let mut person = Self::set_up(seeded).await;
        person.enters().await;
        let code = person.code();
        assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
        seeded.clock.advance_us(MINUTE_US);
        person
    }

    /// Signed in with an authenticator; the next code is another.
    async fn set_up(seeded: &'a Seeded) -> Self {
        let mut person = Self::at(seeded, "dsl").await;
        person.enters().await;
        person.sets_up().await;
        seeded.clock.advance_us(MINUTE_US);
        person.visitor = seeded.stranger();
        person
    }
}

fn key_of(page: &str) -> AuthenticatorKey {
    let (_, rest) = page.split_once("<p class=\"key\"><code>").unwrap();
    let typed: String = rest.split('<').next().unwrap().split(' ').collect();
    AuthenticatorKey::from_bytes(BASE32.decode(typed.as_bytes()).unwrap().try_into().unwrap())
}

#[tokio::test]
async fn the_first_sign_in_sets_an_authenticator_up_and_a_password_alone_opens_nothing() {
    let seeded = Seeded::open().await;
    let mut person = Person::at(&seeded, "dsl").await;

    assert_eq!(person.enters().await, "/sign-in/set-up");
    assert!(!person.is_in().await, "a turn is no session");
    let page = person.visitor.get("/sign-in/set-up").await.body;
    assert!(page.contains("<svg class=\"qr\"") && page.contains("otpauth://totp/Lapwing%20"), "{page}");
    let again = person.visitor.get("/sign-in/set-up").await.body;
    assert_eq!(key_of(&page).to_type(), key_of(&again).to_type(), "the same key for as long as the turn lasts");
    assert_eq!(person.gives("/sign-in/set-up", "000000").await.status, StatusCode::UNAUTHORIZED);
    assert!(!person.is_in().await);

    let answer = person.sets_up().await;
    assert!(answer.status == StatusCode::OK && answer.body.contains("Keep these recovery codes"), "{}", answer.body);
    assert_eq!(person.recovery.len(), 10);
    assert!(person.is_in().await);
    assert_eq!(person.enters().await, "/sign-in/code", "from then on");
    assert_eq!(person.visitor.get("/sign-in/set-up").await.location(), "/sign-in/code", "and there is no other");
}

#[tokio::test]
async fn a_code_opens_a_session_once() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    assert_eq!(person.enters().await, "/sign-in/code");
    let code = person.code();

    assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
    assert!(person.is_in().await);
    let mut thief = Person { visitor: seeded.stranger(), key: None, recovery: Vec::new(), ..person };
    thief.enters().await;
    assert_eq!(thief.gives("/sign-in/code", &code).await.status, StatusCode::UNAUTHORIZED, "it was used");
    assert!(!thief.is_in().await);
}

#[tokio::test]
async fn a_session_is_new_at_each_sign_in_and_the_old_one_ends() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        person.enters().await;
        let code = person.code();
        assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
        sessions.push(person.visitor.session_cookie().unwrap().to_owned());
        seeded.clock.advance_us(MINUTE_US);
    }
    assert_ne!(sessions[0], sessions[1]);
    let mut thief = seeded.stranger();
    thief.keep(&format!("__Host-lapwing={}", sessions[0]));
    assert_eq!(thief.get("/queue").await.status, StatusCode::SEE_OTHER);
    assert_eq!(person.visitor.get("/").await.location(), "/queue", "the first page of the role");
    assert!(person.visitor.get("/queue").await.body.contains("Sam Okafor"));
}

#[tokio::test]
async fn a_turn_tries_five_codes_and_wrong_ones_close_the_sign_in() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    person.enters().await;
    for _ in 0..5 {
        assert_eq!(person.gives("/sign-in/code", "000000").await.status, StatusCode::UNAUTHORIZED);
    }
    let code = person.code();
    let closed = person.gives("/sign-in/code", &code).await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    assert!(closed.body.contains("closed for up to 15 minutes"), "{}", closed.body);
    person.visitor = seeded.stranger();
    assert_eq!(person.enters().await, "", "and the sign-in is closed");

    seeded.clock.advance_us(MINUTE_US + 1);
    assert_eq!(person.enters().await, "/sign-in/code");
    let code = person.code();
    assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
}

#[tokio::test]
async fn a_turn_that_has_tried_enough_leads_back_to_the_password_and_says_so() {
    let seeded = Seeded::open().await;
    let mut person = Person::at(&seeded, "dsl").await;
    person.enters().await;
    person.key = Some(key_of(&person.visitor.get("/sign-in/set-up").await.body));
    for _ in 0..5 {
        assert_eq!(person.gives("/sign-in/set-up", "000000").await.status, StatusCode::UNAUTHORIZED);
    }
    let code = person.code();
    let answer = person.gives("/sign-in/set-up", &code).await;
    assert_eq!(answer.location(), "/sign-in?said=tries");
    let said = person.visitor.get("/sign-in?said=tries").await.body;
    assert!(said.contains("Too many wrong codes. Start again with your password."), "{said}");
    assert_eq!(person.enters().await, "/sign-in/set-up", "slips while setting up close nothing");
    person.sets_up().await;
    assert!(person.is_in().await);
}

#[tokio::test]
async fn a_new_password_ends_the_turn_of_whoever_knew_the_old_one() {
    let seeded = Seeded::open().await;
    let mut thief = Person::at(&seeded, "dsl").await;
    thief.enters().await;
    thief.key = Some(key_of(&thief.visitor.get("/sign-in/set-up").await.body));
    let code = thief.code();
    seeded.add_sign_in("dsl").await;
    let answer = thief.visitor.post("/sign-in/set-up", &[("code", code.as_str())]).await;
    assert_eq!(answer.location(), "/sign-in?said=turn-over");
    assert!(!thief.is_in().await);
}

#[tokio::test]
async fn whoever_is_overtaken_while_setting_up_is_told() {
    let seeded = Seeded::open().await;
    let mut owner = Person::at(&seeded, "dsl").await;
    owner.enters().await;
    let mine = key_of(&owner.visitor.get("/sign-in/set-up").await.body);
    let mut early = std::mem::replace(&mut owner.visitor, seeded.stranger());
    owner.enters().await;
    owner.sets_up().await;
    assert!(owner.is_in().await, "from another browser");

    let code = mine.code_at(seeded.clock.wall_us());
    let answer = early.post("/sign-in/set-up", &[("code", code.as_str())]).await;
    assert_eq!(answer.location(), "/sign-in?said=set-up-already");
    let said = early.get("/sign-in?said=set-up-already").await.body;
    assert!(said.contains("If that was not you, tell whoever looks after Lapwing"), "{said}");
}

#[tokio::test]
async fn a_recovery_code_opens_a_session_where_the_key_of_the_authenticator_is_gone() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let mut tx = seeded.school.store.begin().await.unwrap();
    let kept = second_steps::find(&mut tx, &seeded.school.id, seeded.person("dsl")).await.unwrap().unwrap();
    drop(tx);
    seeded.school.vault.erase(kept.key).await.unwrap();
    person.enters().await;
    let code = person.recovery[0].clone();
    assert!(person.gives("/sign-in/code", &code).await.body.contains("9 recovery codes are left"));
}

#[tokio::test]
async fn a_closed_sign_in_takes_no_right_code_of_an_open_turn() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    person.enters().await;
    let early = std::mem::replace(&mut person.visitor, seeded.stranger());
    person.enters().await;
    for _ in 0..5 {
        person.gives("/sign-in/code", "000000").await;
    }
    person.visitor = early;
    let code = person.code();
    assert_eq!(person.gives("/sign-in/code", &code).await.status, StatusCode::UNAUTHORIZED);
    assert!(!person.is_in().await);
}

#[tokio::test]
async fn a_recovery_code_opens_a_session_once_and_says_how_many_are_left() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let code = person.recovery[3].to_lowercase().replace('-', " ");

    person.enters().await;
    let answer = person.gives("/sign-in/code", &code).await;
    assert!(answer.body.contains("9 recovery codes are left"), "{}", answer.body);
    assert!(person.is_in().await);
    person.visitor = seeded.stranger();
    person.enters().await;
    assert_eq!(person.gives("/sign-in/code", &code).await.status, StatusCode::UNAUTHORIZED);
    assert!(!person.is_in().await);
}

#[tokio::test]
async fn a_turn_is_its_browsers_and_over_after_a_quarter_of_an_hour() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let without = person.visitor.get("/sign-in/code?onward=/queue").await;
    assert_eq!(without.location(), "/sign-in?said=turn-over&onward=/queue", "nobody has a turn without a password");
    person.enters().await;
    let code = person.code();
    let fields = [("csrf", "x"), ("code", code.as_str())];
    let forged = person.visitor.post_from("https://lapwing.test", "/sign-in/code", &fields).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let elsewhere = person.visitor.post_from("https://evil.test", "/sign-in/code", &fields).await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);

    seeded.clock.advance_us(15 * MINUTE_US + 1);
    assert_eq!(person.visitor.get("/sign-in/code").await.location(), "/sign-in?said=turn-over");
    let code = person.code();
    let late = person.visitor.post("/sign-in/code", &[("code", code.as_str()), ("onward", "/queue")]).await;
    assert_eq!(late.location(), "/sign-in?said=turn-over&onward=/queue");
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_keeps_nobody_out() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let years_us = 3 * 365 * 24 * 60 * MINUTE_US;
    seeded.clock.advance_us(years_us);
    person.enters().await;
    let code = person.code();
    assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
    seeded.clock.advance_us(-years_us);
    person.visitor = seeded.stranger();
    person.enters().await;
    let code = person.code();
    assert_eq!(person.gives("/sign-in/code", &code).await.location(), "/");
}

#[tokio::test]
async fn whoever_wanted_a_page_is_led_to_it() {
    let seeded = Seeded::open().await;
    let mut person = Person::at(&seeded, "dsl").await;
    person.visitor.get("/sign-in?onward=/queue").await;
    let fields = [("login", "dsl"), ("password", PASSWORD), ("onward", "/queue")];
    assert_eq!(person.visitor.post("/sign-in", &fields).await.location(), "/sign-in/set-up?onward=/queue");
    let page = person.visitor.get("/sign-in/set-up?onward=/queue").await.body;
    let code = key_of(&page).code_at(seeded.clock.wall_us());
    let evil = [("code", code.as_str()), ("onward", "//evil.example")];
    let page = person.visitor.post("/sign-in/set-up", &evil).await.body;
    assert!(page.contains("href=\"/\"") && !page.contains("evil"), "{page}");
}

#[tokio::test]
async fn whoever_lost_their_phone_sets_another_up_once_the_first_is_forgotten() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    let (school, first) = (&seeded.school, person.recovery.clone());
    let mut tx = school.store.begin().await.unwrap();
    let key = second_steps::forget(&mut tx, &school.id, seeded.person("dsl")).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert!(school.vault.erase(key).await.unwrap());

    assert_eq!(person.enters().await, "/sign-in/set-up");
    person.sets_up().await;
    assert!(person.is_in().await && person.recovery.len() == 10);
    seeded.clock.advance_us(MINUTE_US);
    person.visitor = seeded.stranger();
    person.enters().await;
    assert_eq!(person.gives("/sign-in/code", &first[0]).await.status, StatusCode::UNAUTHORIZED, "of the first phone");
}

#[tokio::test]
async fn nothing_in_the_database_opens_a_second_step() {
    let seeded = Seeded::open().await;
    let mut person = Person::set_up(&seeded).await;
    person.enters().await;
    seeded.school.store.close().await;
    let bytes = std::fs::read(seeded.school.folder().join("lapwing.db")).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"second_steps"), "it is the file");
    assert!(!holds(person.key.as_ref().unwrap().bytes()));
    assert!(person.recovery.iter().all(|code| !holds(code.replace('-', "").as_bytes())));
}
