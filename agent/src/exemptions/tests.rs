use std::time::Duration;

use lapwing_proto::Exemption;
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::sample::{Authority, MINUTE_US, NOON_US};
use crate::uplink::TrustedTime;

const HOUR_US: i64 = 60 * MINUTE_US;
const HEARD_WITHIN: Duration = Duration::from_secs(60 * 60);

/// An exemption of two topics for everybody, or for one group.
fn exemption(id: u8, from_us: i64, until_us: i64, group: Option<&str>) -> Exemption {
    Exemption {
        id: ExemptionId::from_bytes([id; 16]),
        from_us,
        until_us,
        categories: [Category::Drugs, Category::Weapons, Category::Terrorism].into(),
        groups: group.into_iter().map(str::to_owned).collect(),
    }
}

fn list(number: u64, issued_us: i64, exemptions: Vec<Exemption>) -> ExemptionList {
    let school = "sample".parse().unwrap();
    ExemptionList { school, number, issued_us, heard_within: HEARD_WITHIN, exemptions, approved_media: Vec::new() }
}

/// What the device makes of a moderate hit about drugs, now.
fn of_drugs(exemptions: &Exemptions, time: &TrustedTime, clock: &ManualClock) -> Option<ExemptionId> {
    let now_us = clock.boot_us();
    exemptions.at(now_us, time.between(now_us), "").of(Category::Drugs, Level::Moderate)
}

#[test]
fn an_exemption_is_in_force_between_its_ends_by_the_collectors_time() {
    let (authority, clock) = (Authority::new(), Arc::new(ManualClock::at(0)));
    let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let exemptions = Exemptions::default();
    let lesson = list(3, NOON_US, vec![exemption(1, NOON_US + MINUTE_US, NOON_US + HOUR_US, None)]);
    exemptions.take(&authority.sign(&lesson), &authority.der, clock.boot_us()).unwrap();
    assert_eq!((exemptions.number(), of_drugs(&exemptions, &time, &clock)), (3, None), "the time is not known");
    time.answered(NOON_US, clock.boot_us());
    assert_eq!(of_drugs(&exemptions, &time, &clock), None, "it has not begun");
    clock.advance(Duration::from_secs(60));
    assert_eq!(of_drugs(&exemptions, &time, &clock), Some(ExemptionId::from_bytes([1; 16])));
    clock.advance(Duration::from_secs(59 * 60));
    assert_eq!(of_drugs(&exemptions, &time, &clock), None, "it is over, and nobody had to say so");
}

#[test]
fn a_list_for_a_group_holds_for_its_accounts_alone() {
    let (authority, clock) = (Authority::new(), Arc::new(ManualClock::at(0)));
    let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
    time.answered(NOON_US, clock.boot_us());
    let exemptions = Exemptions::default();
    let lesson = list(1, NOON_US, vec![exemption(1, NOON_US, NOON_US + HOUR_US, Some("10B"))]);
    exemptions.take(&authority.sign(&lesson), &authority.der, clock.boot_us()).unwrap();
    let now_us = clock.boot_us();
    let of = |group: &str, category| {
        exemptions.at(now_us, time.between(now_us), group).of(category, Level::Moderate).is_some()
    };
    assert!(of("10B", Category::Drugs) && !of("10A", Category::Drugs) && !of("", Category::Drugs));
    assert!(!of("10B", Category::Gambling), "another topic");
    assert!(!of("10B", Category::Terrorism), "whatever a list says");
}

#[test]
fn a_medium_is_approved_until_its_end_while_the_collector_is_heard() {
    let (authority, clock) = (Authority::new(), Arc::new(ManualClock::at(0)));
    let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let exemptions = Exemptions::default();
    let medium = ApprovedMedium { serial_hash: Digest::of(b"0042"), until_us: NOON_US + 3 * HOUR_US };
    let register = ExemptionList { approved_media: vec![medium], ..list(1, NOON_US, Vec::new()) };
    exemptions.take(&authority.sign(&register), &authority.der, clock.boot_us()).unwrap();
    let approves = |serial: &[u8]| {
        let now_us = clock.boot_us();
        exemptions.at(now_us, time.between(now_us), "").approves(Some(Digest::of(serial)))
    };
    assert!(!approves(b"0042"), "the time is not known");
    time.answered(NOON_US, clock.boot_us());
    assert!(approves(b"0042") && !approves(b"0043"));
    let now_us = clock.boot_us();
    assert!(!exemptions.at(now_us, time.between(now_us), "").approves(None), "without a serial number");
    clock.advance(HEARD_WITHIN + Duration::from_secs(1));
    assert!(!approves(b"0042"), "the collector is silent");
    time.answered(NOON_US + 2 * HOUR_US, clock.boot_us());
    assert!(approves(b"0042"), "and is heard again");
    clock.advance(Duration::from_secs(59 * 60));
    assert!(approves(b"0042"));
    clock.advance(Duration::from_secs(60));
    assert!(!approves(b"0042"), "its time is over");
}

#[test]
fn a_list_that_a_stranger_signed_or_an_older_one_leaves_the_last_good_one_in_force() {
    let (authority, stranger, exemptions) = (Authority::new(), Authority::new(), Exemptions::default());
    let held = authority.sign(&list(5, NOON_US, Vec::new()));
    exemptions.take(&held, &authority.der, 1).unwrap();
    let next = list(6, NOON_US, vec![exemption(1, 0, i64::MAX, None)]);
    let unsigned = Refused::List(ExemptionsRefused::Unsigned);
    assert_eq!(exemptions.take(&stranger.sign(&next), &authority.der, 1), Err(unsigned));
    assert_eq!(exemptions.take(&authority.sign(&next), &[], 1), Err(Refused::List(ExemptionsRefused::Unsigned)));
    let older = authority.sign(&list(4, NOON_US, Vec::new()));
    assert_eq!(exemptions.take(&older, &authority.der, 1), Err(Refused::Older { found: 4, held: 5 }));
    assert_eq!(exemptions.number(), 5);
    exemptions.take(&authority.sign(&next), &[stranger.der, authority.der].concat(), 1).unwrap();
    assert_eq!(exemptions.number(), 6, "an authority beside another");
}

#[test]
fn a_signature_that_the_authority_made_for_something_else_is_none_of_a_list() {
    let (authority, exemptions) = (Authority::new(), Exemptions::default());
    let stolen = list(1, NOON_US, Vec::new());
    let bytes = stolen.sign(|message| authority.answer_for(&message[1..])).unwrap();
    assert!(exemptions.take(&bytes, &authority.der, 1).is_err());
}

/// What happens to a device between two looks.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, awake or asleep.
    Passes(u32),
    /// Somebody or something sets the wall clock.
    TurnsClock(i64),
    /// The collector answers a status after this many seconds on the way there and back.
    Answers(u16, u16),
    /// The collector's clock is put right or wrong by this many seconds; it tells it in the answer that follows.
    SetsCollector(i16),
    /// The newest list is fetched, this many seconds after it was signed.
    Fetches(u16),
    /// Nobody can reach the collector: its certificate seems to have run out.
    Doubts,
    /// The device starts anew.
    Restarts,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u32..60).prop_map(Event::Passes),
        2 => (0_u32..5_000).prop_map(Event::Passes),
        2 => any::<i64>().prop_map(Event::TurnsClock),
        3 => (0_u16..40, 0_u16..40).prop_map(|(there, back)| Event::Answers(there, back)),
        1 => any::<i16>().prop_map(Event::SetsCollector),
        3 => (0_u16..600).prop_map(Event::Fetches),
        1 => Just(Event::Doubts),
        1 => Just(Event::Restarts),
    ]
}

/// A device and the collector's true time.
struct World {
    authority: Authority,
    lesson: Exemption,
    collector_us: i64,
    clock: Arc<ManualClock>,
    time: TrustedTime,
    exemptions: Exemptions,
}

impl World {
    fn start(lesson: Exemption) -> Self {
        let clock = Arc::new(ManualClock::at(NOON_US));
        let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let (authority, exemptions) = (Authority::new(), Exemptions::default());
        Self { authority, lesson, collector_us: NOON_US, clock, time, exemptions }
    }

    fn pass(&mut self, seconds: u32) {
        self.clock.advance(Duration::from_secs(u64::from(seconds)));
        self.collector_us += i64::from(seconds) * 1_000_000;
    }

    fn answer(&mut self, there: u16, back: u16) {
        let asked_us = self.clock.boot_us();
        self.pass(there.into());
        let told_us = self.collector_us;
        self.pass(back.into());
        self.time.answered(told_us, asked_us);
    }

    fn play(&mut self, event: &Event) {
        match *event {
            Event::Passes(seconds) => self.pass(seconds),
            Event::TurnsClock(wall_us) => self.clock.set_wall_us(wall_us),
            Event::Answers(there, back) => self.answer(there, back),
            Event::SetsCollector(seconds) => {
                self.collector_us += i64::from(seconds) * 1_000_000;
                self.answer(0, 0);
            }
            Event::Fetches(old) => {
                let list = list(1, self.collector_us, vec![self.lesson.clone()]);
                let signed = self.authority.sign(&list);
                self.pass(old.into());
                self.exemptions.take(&signed, &self.authority.der, self.clock.boot_us()).unwrap();
            }
            Event::Doubts => self.time.doubt(),
            Event::Restarts => {
                self.clock = Arc::new(ManualClock::at(self.clock.wall_us()));
                self.time = TrustedTime::new(Arc::clone(&self.clock) as Arc<dyn Clock>);
                self.exemptions = Exemptions::default();
                assert_eq!(of_drugs(&self.exemptions, &self.time, &self.clock), None, "a restart ends it");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    /// Whatever happens to clocks, network and power, an exemption is never in force outside its ends by the collector's
    /// time, nor once the collector was silent for too long.
    #[test]
    fn nothing_makes_an_exemption_longer(
        begins in prop_oneof![-120_i64..120, -7_200_i64..7_200],
        lasts in prop_oneof![1_i64..300, 1_i64..20_000],
        events in prop::collection::vec(event(), 1..40),
    ) {
        let from_us = NOON_US + begins * 1_000_000;
        let mut world = World::start(exemption(1, from_us, from_us + lasts * 1_000_000, None));
        let mut heard_us = None;
        for event in &events {
            world.play(event);
            match event {
                Event::Answers(..) | Event::SetsCollector(_) => heard_us = Some(world.clock.boot_us()),
                Event::Restarts => heard_us = None,
                Event::Passes(_) | Event::TurnsClock(_) | Event::Fetches(_) | Event::Doubts => {}
            }
            let is_on = of_drugs(&world.exemptions, &world.time, &world.clock).is_some();
            let is_its_time = (world.lesson.from_us..world.lesson.until_us).contains(&world.collector_us);
            let is_heard = heard_us.is_some_and(|heard_us| {
                Duration::from_micros(world.clock.boot_us() - heard_us) <= HEARD_WITHIN
            });
            prop_assert!(!is_on || (is_its_time && is_heard), "after {:?}", event);
        }
    }

    /// With a good network it is in force from its beginning to its end.
    #[test]
    fn a_device_that_hears_its_collector_goes_by_the_exemption(
        begins in -7_200_i64..7_200,
        lasts in 1_i64..20_000,
        steps in prop::collection::vec((0_u32..4_000, any::<i64>()), 1..40),
    ) {
        let from_us = NOON_US + begins * 1_000_000;
        let mut world = World::start(exemption(1, from_us, from_us + lasts * 1_000_000, None));
        world.play(&Event::Fetches(0));
        for (seconds, wall_us) in steps {
            world.play(&Event::Answers(0, 0));
            world.play(&Event::TurnsClock(wall_us));
            world.play(&Event::Passes(seconds));
            let is_its_time = (world.lesson.from_us..world.lesson.until_us).contains(&world.collector_us);
            let is_on = of_drugs(&world.exemptions, &world.time, &world.clock).is_some();
            prop_assert_eq!(is_on, is_its_time && Duration::from_secs(seconds.into()) <= HEARD_WITHIN);
        }
    }
}
