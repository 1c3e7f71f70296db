//! What makes a decision quick: settling, taking back, putting off, giving, bringing up, referring, hearing of it again.

use super::handling::{picture, second};
use super::*;

/// One act that can be taken back.
type Act = (&'static str, State);

const SECOND_US: i64 = 1_000_000;

/// The pupil's capture of that number, which opens or joins a concern.
async fn again(day: &Day, number: u64, category: Category, level: Level) {
    day.school.intake().take(delivery(level, number, vec![title("amy", category, level, SEEN)])).await.unwrap();
    settle(&day.school).await;
}

/// The concern as a page shows it now.
async fn seen(day: &Day) -> Seen {
    let changed = day.school.texts("SELECT changed_us || '' FROM concerns ORDER BY rowid LIMIT 1").await;
    Seen::at(changed[0].parse().unwrap())
}

async fn carry_out(day: &Day, act: &str) -> State {
    let (desk, dsl, concern) = (&day.desk, &day.dsl, day.concern);
    day.clock.advance_us(SECOND_US);
    let asks = Judgement::new(Verdict::True, Outcome::FilterChange).unwrap();
    let done = match act {
        "acknowledge" => desk.acknowledge(dsl, concern).await,
        "judge" => desk.judge(dsl, concern, asks, "", &BTreeMap::new()).await,
        "close" => {
            let review = Review::At(NINE_US + 30 * 24 * 3600 * SECOND_US);
            desk.close(dsl, concern, Closing { review, elsewhere: "C-1", ..Closing::default() }).await
        }
        "settle" => desk.settle(dsl, concern, pastoral(), seen(day).await).await,
        _ => desk.reopen(dsl, concern).await,
    };
    done.unwrap()
}

/// Everything about the concern, its ladder and its verdicts.
async fn whole(day: &Day) -> Vec<String> {
    let mut rows = picture(day).await;
    for sql in [
        "SELECT concat_ws('|', hex(concern_id), verdict, outcome, review_us, recorded_elsewhere, acknowledge_by_us)
         FROM concerns ORDER BY concern_id",
        "SELECT rule || verdict FROM rule_verdicts ORDER BY rule",
    ] {
        rows.extend(day.school.texts(sql).await);
    }
    rows
}

#[tokio::test]
async fn every_quick_act_can_be_taken_back_and_leaves_the_concern_as_it_stood() {
    let lives: [&[Act]; 3] = [
        &[
            ("acknowledge", State::Acknowledged),
            ("judge", State::Pastoral),
            ("close", State::Closed),
            ("reopen", State::Reopened),
            ("settle", State::Closed),
        ],
        &[("settle", State::Closed), ("reopen", State::Reopened)],
        &[("acknowledge", State::Acknowledged), ("settle", State::Closed)],
    ];
    for life in lives {
        let day = day_of(Category::SelfHarm, Level::Moderate).await;
        for (act, to) in life {
            let before = whole(&day).await;
            assert_eq!(carry_out(&day, act).await, *to, "{act}");
            let after = whole(&day).await;
            assert_ne!(after, before, "{act}");
            day.clock.advance_us(99 * SECOND_US);
            day.desk.undo(&day.dsl, day.concern).await.unwrap();
            assert_eq!(whole(&day).await, before, "{act} was taken back");
            let again = day.desk.undo(&day.dsl, day.concern).await;
            assert!(matches!(again, Err(CommandError::TooLate)), "{act}: once");
            carry_out(&day, act).await;
        }
        assert!(audit::verify(&day.school.store, &day.school.id).await.unwrap().faults.is_empty());
    }
}

#[tokio::test]
async fn what_is_undone_climbs_again_when_it_would_have() {
    let day = day(Category::SelfHarm).await;
    let due = "SELECT due_us || ' ' || step FROM escalations";
    day.school.write("UPDATE escalations SET step = 1").await;
    let before = day.school.texts(due).await;
    carry_out(&day, "acknowledge").await;
    assert!(day.school.texts(due).await.is_empty());
    day.desk.undo(&day.dsl, day.concern).await.unwrap();
    assert_eq!(day.school.texts(due).await, before);
}

#[tokio::test]
async fn nothing_is_taken_back_by_somebody_else_too_late_or_after_anything_happened() {
    let day = day(Category::SelfHarm).await;
    let too_late = |undone| matches!(undone, Err(CommandError::TooLate));
    let deputy = day.school.person("deputy", Kind::Staff, &[Role::DeputyDsl]).await;
    day.desk.share(&day.dsl, day.concern, deputy).await.unwrap();
    let deputy = day.school.actor(deputy, &[Role::DeputyDsl]);
    assert!(too_late(day.desk.undo(&day.dsl, day.concern).await), "nothing was done");

    carry_out(&day, "acknowledge").await;
    assert!(too_late(day.desk.undo(&deputy, day.concern).await), "somebody else");
    assert!(matches!(day.desk.undo(&day.head, day.concern).await, Err(CommandError::NotFound)));
    day.clock.advance_us(101 * SECOND_US);
    assert!(too_late(day.desk.undo(&day.dsl, day.concern).await), "too late");

    carry_out(&day, "judge").await;
    day.clock.advance_us(SECOND_US);
    day.desk.note(&deputy, day.concern, "spoke to her").await.unwrap();
    assert!(too_late(day.desk.undo(&day.dsl, day.concern).await), "a note was written");

    carry_out(&day, "reopen").await;
    carry_out(&day, "acknowledge").await;
    day.clock.advance_us(SECOND_US);
    again(&day, 2, Category::SelfHarm, Level::High).await;
    assert!(too_late(day.desk.undo(&day.dsl, day.concern).await), "it was seen again");

    carry_out(&day, "judge").await;
    carry_out(&day, "reopen").await;
    let other = second(&day, Category::Bullying, Level::Moderate).await;
    day.clock.advance_us(SECOND_US);
    day.desk.merge(&deputy, other, day.concern).await.unwrap();
    assert!(too_late(day.desk.undo(&day.dsl, day.concern).await), "another counts towards it");
}

#[tokio::test]
async fn what_is_critical_illegal_or_a_case_is_not_settled_at_once() {
    let day = day_of(Category::SelfHarm, Level::Moderate).await;
    let not_at_once = |settled| matches!(settled, Err(CommandError::NotAtOnce));
    let critical = second(&day, Category::Suicide, Level::Critical).await;
    let illegal = second(&day, Category::Grooming, Level::Low).await;
    let high = second(&day, Category::Weapons, Level::High).await;
    let seen = seen(&day).await;
    for concern in [critical, illegal, high] {
        assert!(not_at_once(day.desk.settle(&day.dsl, concern, pastoral(), seen).await));
    }
    let stale = day.desk.settle(&day.dsl, day.concern, pastoral(), Seen::at(1)).await;
    assert!(matches!(stale, Err(CommandError::Moved)), "{stale:?}");
    let case = Judgement::new(Verdict::True, Outcome::SocialCare).unwrap();
    assert!(not_at_once(day.desk.settle(&day.dsl, day.concern, case, seen).await));
    assert_eq!(day.school.count("SELECT COUNT(*) FROM concerns WHERE state <> 'new'").await, 0);
    day.school.write("UPDATE concerns SET state = 'referred' WHERE category = 'self_harm'").await;
    assert!(not_at_once(day.desk.settle(&day.dsl, day.concern, pastoral(), seen).await), "it is a case");
}

#[tokio::test]
async fn only_what_somebody_took_and_nobody_finished_is_put_off() {
    let day = day_of(Category::SelfHarm, Level::Moderate).await;
    let hour = NINE_US + 3600 * SECOND_US;
    let refused = |put_off| matches!(put_off, Err(CommandError::CannotPutOff));
    assert!(refused(day.desk.put_off(&day.dsl, day.concern, hour).await), "nobody took it");
    carry_out(&day, "acknowledge").await;
    for until_us in [NINE_US, NINE_US + 15 * 24 * 3600 * SECOND_US] {
        assert!(refused(day.desk.put_off(&day.dsl, day.concern, until_us).await));
    }
    day.desk.put_off(&day.dsl, day.concern, hour).await.unwrap();
    assert!(matches!(day.desk.put_off(&day.head, day.concern, hour).await, Err(CommandError::NotFound)));
    carry_out(&day, "settle").await;
    assert!(refused(day.desk.put_off(&day.dsl, day.concern, hour).await), "finished");
}

#[tokio::test]
async fn a_concern_is_given_to_a_colleague_who_is_told_and_sees_it() {
    let day = day(Category::SelfHarm).await;
    let head = day.head.person().unwrap();
    day.desk.assign(&day.dsl, day.concern, head).await.unwrap();
    assert!(day.desk.open(&day.head, day.concern).await.is_ok());
    let asked = "SELECT kind FROM outbox WHERE kind = 'asked'";
    assert_eq!(day.school.texts(asked).await.len(), 1);
    day.desk.assign(&day.head, day.concern, day.dsl.person().unwrap()).await.unwrap();
    assert_eq!(day.school.texts(asked).await.len(), 2, "who sees it already is told too");
    day.desk.assign(&day.dsl, day.concern, day.dsl.person().unwrap()).await.unwrap();
    assert_eq!(day.school.texts(asked).await.len(), 2, "nobody is told of what they did themselves");
    let amy: Vec<u8> = day.school.bytes("SELECT person_id FROM accounts WHERE account = 'amy'").await.concat();
    let amy = crate::actor::PersonId::try_from(amy.as_slice()).unwrap();
    assert!(matches!(day.desk.assign(&day.dsl, day.concern, amy).await, Err(CommandError::NotForThem)));
}

#[tokio::test]
async fn a_concern_goes_up_a_rung_at_a_time_and_never_to_whom_it_is_about() {
    let day = day(Category::SelfHarm).await;
    assert!(matches!(day.desk.escalate(&day.dsl, day.concern, " ").await, Err(CommandError::NoteLength(0))));
    day.desk.escalate(&day.dsl, day.concern, "I am not sure").await.unwrap();
    let opened = day.desk.open(&day.head, day.concern).await.unwrap();
    assert_eq!(opened.notes.first().and_then(|note| note.text.as_deref()), Some("I am not sure"));
    let further = day.desk.escalate(&day.dsl, day.concern, "nor is the head").await;
    assert!(matches!(further, Err(CommandError::NobodyFurther)), "{further:?}");
    assert_eq!(day.school.texts("SELECT state FROM concerns").await, ["new"], "it still waits for somebody");
    assert_eq!(day.school.count("SELECT COUNT(*) FROM concern_steps").await, 2, "nothing is half done");

    // About the head nothing goes to the head.
    let other = self::day(Category::SelfHarm).await;
    other.school.make_subject(other.head.person().unwrap()).await;
    let up = other.desk.escalate(&other.dsl, other.concern, "words").await;
    assert!(matches!(up, Err(CommandError::NobodyFurther)), "{up:?}");
}

#[tokio::test]
async fn a_referral_holds_every_part_and_is_sealed() {
    let day = day(Category::SelfHarm).await;
    let referral = Referral {
        recipient: "Children's social care, duty desk",
        purpose: "assessment",
        basis: Basis::Safeguarding,
        consent: "mother agreed\nby telephone",
        wishes: "wants to stay with her aunt",
    };
    for missing in 0..4 {
        let mut short = referral;
        let parts = [&mut short.recipient, &mut short.purpose, &mut short.consent, &mut short.wishes];
        for (at, part) in parts.into_iter().enumerate() {
            if at == missing {
                *part = " \n";
            }
        }
        let refused = day.desk.refer(&day.dsl, day.concern, &short).await;
        assert!(matches!(refused, Err(CommandError::NoteLength(0))), "{missing}: {refused:?}");
    }
    day.desk.refer(&day.dsl, day.concern, &referral).await.unwrap();
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    let text = opened.notes.first().and_then(|note| note.text.clone()).unwrap();
    for line in [
        "To: Children's social care, duty desk",
        "Legal basis: Safeguarding of a child",
        "Consent: mother agreed by telephone",
        "What the child wants: wants to stay with her aunt",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(day.school.count("SELECT COUNT(*) FROM concern_steps WHERE sealed_note LIKE '%aunt%'").await, 0);
}

#[tokio::test]
async fn whoever_wants_to_hear_of_it_is_told_when_a_topic_comes_again_as_far_as_they_may_see_it() {
    let day = day(Category::Profanity).await;
    let told = "SELECT COUNT(*) FROM outbox WHERE kind = 'recurred'";
    day.desk.if_it_recurs(&day.dsl, day.concern, Wish::Tell).await.unwrap();
    day.school.write("UPDATE concerns SET state = 'signed_off'").await;
    // Moderate ones stand in the list, and are no message by themselves.
    again(&day, 1, Category::Gambling, Level::Moderate).await;
    assert_eq!(day.school.count(told).await, 0, "another topic");
    again(&day, 2, Category::Profanity, Level::Moderate).await;
    assert_eq!(day.school.count(told).await, 1);
    day.school.write("UPDATE concerns SET state = 'signed_off'").await;
    day.school
        .write("UPDATE recurrences SET person_id = (SELECT person_id FROM persons WHERE name = 'Name of head')")
        .await;
    again(&day, 3, Category::Profanity, Level::Moderate).await;
    assert_eq!(day.school.count(told).await, 1, "the head sees nothing of it");
    day.school.write("UPDATE concerns SET state = 'signed_off'").await;
    day.school
        .write("UPDATE recurrences SET person_id = (SELECT person_id FROM persons WHERE name = 'Name of dsl')")
        .await;
    let last = *day.school.concerns().await.last().unwrap();
    day.desk.if_it_recurs(&day.dsl, last, Wish::Stop).await.unwrap();
    again(&day, 4, Category::Profanity, Level::Moderate).await;
    assert_eq!(day.school.count(told).await, 1, "no more");
}
