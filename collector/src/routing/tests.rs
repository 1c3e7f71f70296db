use proptest::prelude::*;

use super::*;

const DSL: PersonId = PersonId::from_bytes([1; 16]);
const DEPUTY: PersonId = PersonId::from_bytes([2; 16]);
const HEAD: PersonId = PersonId::from_bytes([3; 16]);
const CHAIR: PersonId = PersonId::from_bytes([4; 16]);
const TECHNICIAN: PersonId = PersonId::from_bytes([5; 16]);
const SITE_LEAD: PersonId = PersonId::from_bytes([6; 16]);
const GOVERNOR: PersonId = PersonId::from_bytes([7; 16]);
const SOMEBODY: PersonId = PersonId::from_bytes([9; 16]);

fn holder(roles: &[Role], reach: Reach) -> Holder {
    Holder { roles: roles.iter().copied().collect(), reach }
}

fn staffing() -> Staffing {
    [
        (DSL, Role::Dsl),
        (DEPUTY, Role::DeputyDsl),
        (HEAD, Role::Headteacher),
        (CHAIR, Role::Chair),
        (TECHNICIAN, Role::Technician),
        (SITE_LEAD, Role::SiteLead),
        (GOVERNOR, Role::Governor),
    ]
    .into_iter()
    .map(|(person, role)| (person, holder(&[role], Reach::SignsIn)))
    .collect()
}

fn about(audience: Audience, person: PersonId, roles: &[Role]) -> About {
    About { audience, person: Some(person), roles: roles.iter().copied().collect(), class: Class::Ordinary }
}

fn to(about: &About, level: Level) -> Vec<PersonId> {
    route(about, level, &staffing()).into_iter().map(|one| one.person).collect()
}

fn told(about: &About, level: Level) -> Vec<PersonId> {
    let recipients = route(about, level, &staffing());
    recipients.into_iter().filter(|one| one.told == Told::AtOnce).map(|one| one.person).collect()
}

#[test]
fn each_subject_goes_where_the_table_says() {
    let staff = |roles: &[Role]| to(&about(Audience::Staff, SOMEBODY, roles), Level::High);
    assert_eq!(to(&about(Audience::Pupil, SOMEBODY, &[]), Level::High), [DSL, DEPUTY]);
    assert_eq!(staff(&[]), [HEAD]);
    assert_eq!(staff(&[Role::Dsl]), [HEAD]);
    assert_eq!(staff(&[Role::DeputyDsl]), [HEAD]);
    assert_eq!(staff(&[Role::Headteacher]), [CHAIR]);
    assert_eq!(staff(&[Role::Headteacher, Role::Dsl]), [CHAIR]);
    assert_eq!(staff(&[Role::Chair]), [HEAD]);
    assert_eq!(staff(&[Role::Governor]), [HEAD]);
    assert_eq!(staff(&[Role::Technician]), [DSL, HEAD]);
    assert_eq!(staff(&[Role::SiteLead]), [HEAD]);
    let nobody = |audience| About { person: None, ..about(audience, SOMEBODY, &[]) };
    assert_eq!(to(&nobody(Audience::Shared), Level::Low), [DSL, DEPUTY]);
    assert_eq!(to(&nobody(Audience::UnmappedPupil), Level::Low), [DSL, DEPUTY]);
    assert_eq!(to(&nobody(Audience::Unmapped), Level::Low), [HEAD]);
    assert_eq!(to(&nobody(Audience::UnmappedStaff), Level::Low), [HEAD]);
    assert_eq!(to(&about(Audience::Guest, SOMEBODY, &[]), Level::Low), [DSL, DEPUTY, SITE_LEAD]);
}

#[test]
fn a_pupils_illegal_concern_goes_to_all_three_together() {
    let pupil = About { class: Class::Illegal, ..about(Audience::Pupil, SOMEBODY, &[]) };
    assert_eq!(told(&pupil, Level::Critical), [DSL, DEPUTY, HEAD]);
    let staff = About { class: Class::IllegalNoEvidence, ..about(Audience::Staff, SOMEBODY, &[]) };
    assert_eq!(told(&staff, Level::Critical), [HEAD]);
}

#[test]
fn messages_go_out_from_level_four_and_to_the_deputy_from_five() {
    let pupil = about(Audience::Pupil, SOMEBODY, &[]);
    assert_eq!(told(&pupil, Level::Moderate), []);
    assert_eq!(told(&pupil, Level::High), [DSL]);
    assert_eq!(told(&pupil, Level::Critical), [DSL, DEPUTY]);
}

#[test]
fn where_the_first_cannot_sign_in_the_next_stands_in() {
    let mut people = staffing();
    people.insert(DSL, holder(&[Role::Dsl], Reach::Absent));
    people.insert(DEPUTY, holder(&[Role::DeputyDsl], Reach::Absent));
    let recipients = route(&about(Audience::Pupil, SOMEBODY, &[]), Level::High, &people);
    assert!(recipients.iter().any(|one| one.person == HEAD && one.told == Told::AtOnce));
    assert!(recipients.iter().any(|one| one.person == DSL));
}

fn any_class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Ordinary), Just(Class::Illegal), Just(Class::IllegalNoEvidence)]
}

fn any_roles() -> impl Strategy<Value = BTreeSet<Role>> {
    proptest::collection::btree_set(proptest::sample::select(Role::ALL.to_vec()), 0..4)
}

fn any_staffing() -> impl Strategy<Value = Staffing> {
    let holder = (any_roles(), any::<bool>())
        .prop_map(|(roles, signs_in)| Holder { roles, reach: if signs_in { Reach::SignsIn } else { Reach::Absent } });
    proptest::collection::btree_map((1u8..9).prop_map(|n| PersonId::from_bytes([n; 16])), holder, 0..8)
        .prop_map(|people| people.into_iter().collect())
}

prop_compose! {
    /// A subject among the staffing's people or outside them; roles are the staffing's own.
    fn any_case()(
        staffing in any_staffing(),
        audience in proptest::sample::select(Audience::ALL.to_vec()),
        class in any_class(),
        person in proptest::option::of((1u8..10).prop_map(|n| PersonId::from_bytes([n; 16]))),
        level in proptest::sample::select(Level::ALL.to_vec()),
    ) -> (About, Level, Staffing) {
        let roles = person.and_then(|person| staffing.0.get(&person)).map(|one| one.roles.clone()).unwrap_or_default();
        (About { audience, person, roles, class }, level, staffing)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_subject_is_never_a_recipient((about, level, staffing) in any_case()) {
        let recipients = route(&about, level, &staffing);
        prop_assert!(recipients.iter().all(|one| Some(one.person) != about.person));
        let distinct: BTreeSet<_> = recipients.iter().map(|one| one.person).collect();
        prop_assert_eq!(distinct.len(), recipients.len());
    }

    #[test]
    fn somebody_reachable_receives_it_wherever_the_row_names_one((about, level, staffing) in any_case()) {
        let entry = table::entry(&about);
        let named = |holder: &Holder| {
            let mut roles = entry.first.iter().chain(entry.also).chain(entry.otherwise);
            holder.reach == Reach::SignsIn && roles.any(|role| holder.roles.contains(role))
        };
        let possible = staffing.0.iter().any(|(person, holder)| Some(*person) != about.person && named(holder));
        let reached = route(&about, level, &staffing).iter().any(|one| staffing.signs_in(one.person));
        prop_assert_eq!(reached, possible);
    }

    #[test]
    fn a_technician_and_no_more_receives_nothing((about, level, mut staffing) in any_case()) {
        let technician = PersonId::from_bytes([42; 16]);
        staffing.insert(technician, holder(&[Role::Technician], Reach::SignsIn));
        prop_assert!(route(&about, level, &staffing).iter().all(|one| one.person != technician));
    }

    #[test]
    fn a_concern_about_staff_reaches_the_dsl_team_by_another_role_only((mut about, level, staffing) in any_case()) {
        about.audience = Audience::Staff;
        about.roles.remove(&Role::Technician);
        for one in route(&about, level, &staffing) {
            let roles = &staffing.0.get(&one.person).unwrap().roles;
            prop_assert!(roles.iter().any(|role| !matches!(role, Role::Dsl | Role::DeputyDsl)));
        }
    }
}
