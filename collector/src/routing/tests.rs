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
    Holder { roles: roles.iter().copied().collect(), reach, ..Holder::default() }
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
    About {
        audience,
        person: Some(person),
        roles: roles.iter().copied().collect(),
        form: String::new(),
        category: Some(Category::SelfHarm),
    }
}

fn to(about: &About, level: Level) -> Vec<PersonId> {
    route(about, level, &staffing(), &Table::standard()).into_iter().map(|one| one.person).collect()
}

fn told(about: &About, level: Level) -> Vec<PersonId> {
    let recipients = route(about, level, &staffing(), &Table::standard());
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
    let pupil = About { category: Some(Category::Terrorism), ..about(Audience::Pupil, SOMEBODY, &[]) };
    assert_eq!(told(&pupil, Level::Critical), [DSL, DEPUTY, HEAD]);
    let staff = About { category: Some(Category::Csam), ..about(Audience::Staff, SOMEBODY, &[]) };
    // An illegal case is decided by several: the chair stands in.
    assert_eq!(told(&staff, Level::Critical), [HEAD, CHAIR]);
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
    people.insert(DSL, holder(&[Role::Dsl], Reach::NoSignIn));
    people.insert(DEPUTY, holder(&[Role::DeputyDsl], Reach::NoSignIn));
    let recipients = route(&about(Audience::Pupil, SOMEBODY, &[]), Level::High, &people, &Table::standard());
    assert!(recipients.iter().any(|one| one.person == HEAD && one.told == Told::AtOnce));
    assert!(recipients.iter().any(|one| one.person == DSL));
}

fn any_category() -> impl Strategy<Value = Option<Category>> {
    proptest::option::of(proptest::sample::select(Category::all().collect::<Vec<_>>()))
}

fn any_roles() -> impl Strategy<Value = BTreeSet<Role>> {
    proptest::collection::btree_set(proptest::sample::select(Role::ALL.to_vec()), 0..4)
}

fn any_staffing() -> impl Strategy<Value = Staffing> {
    let reach = prop_oneof![Just(Reach::SignsIn), Just(Reach::Away), Just(Reach::NoSignIn)];
    let teaches = proptest::collection::btree_set(prop_oneof![Just("7B".to_owned()), Just("9C".to_owned())], 0..2);
    let holder = (any_roles(), reach, teaches).prop_map(|(roles, reach, teaches)| Holder { roles, reach, teaches });
    proptest::collection::btree_map((1u8..9).prop_map(|n| PersonId::from_bytes([n; 16])), holder, 0..8)
        .prop_map(|people| people.into_iter().collect())
}

prop_compose! {
    /// A subject among the staffing's people or outside them; roles are the staffing's own.
    fn any_case()(
        staffing in any_staffing(),
        audience in proptest::sample::select(Audience::ALL.to_vec()),
        category in any_category(),
        form in prop_oneof![Just(String::new()), Just("7B".to_owned())],
        person in proptest::option::of((1u8..10).prop_map(|n| PersonId::from_bytes([n; 16]))),
        level in proptest::sample::select(Level::ALL.to_vec()),
    ) -> (About, Level, Staffing) {
        let roles = person.and_then(|person| staffing.0.get(&person)).map(|one| one.roles.clone()).unwrap_or_default();
        (About { audience, person, roles, form, category }, level, staffing)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_subject_is_never_a_recipient((about, level, staffing) in any_case()) {
        let recipients = route(&about, level, &staffing, &Table::standard());
        prop_assert!(recipients.iter().all(|one| Some(one.person) != about.person));
        let distinct: BTreeSet<_> = recipients.iter().map(|one| one.person).collect();
        prop_assert_eq!(distinct.len(), recipients.len());
    }

    #[test]
    fn somebody_reachable_receives_it_wherever_the_row_names_one((about, level, staffing) in any_case()) {
        let table = Table::standard();
        let entry = table.entry(Row::of(&about));
        let named = |holder: &Holder| {
            let mut roles = entry.first.iter().chain(&entry.also).chain(&entry.otherwise);
            holder.reach != Reach::NoSignIn && roles.any(|role| holder.roles.contains(role))
        };
        let possible = staffing.0.iter().any(|(person, holder)| Some(*person) != about.person && named(holder));
        let reached = route(&about, level, &staffing, &Table::standard()).iter().any(|one| one.reason != BY_CLASS && staffing.can_sign_in(one.person));
        prop_assert_eq!(reached, possible);
    }

    #[test]
    fn a_technician_and_no_more_receives_nothing((about, level, mut staffing) in any_case()) {
        let technician = PersonId::from_bytes([42; 16]);
        staffing.insert(technician, holder(&[Role::Technician], Reach::SignsIn));
        prop_assert!(route(&about, level, &staffing, &Table::standard()).iter().all(|one| one.person != technician));
    }

    #[test]
    fn a_concern_about_staff_reaches_the_dsl_team_by_another_role_only((mut about, level, staffing) in any_case()) {
        about.audience = Audience::Staff;
        about.roles.remove(&Role::Technician);
        for one in route(&about, level, &staffing, &Table::standard()) {
            let roles = &staffing.0.get(&one.person).unwrap().roles;
            prop_assert!(roles.iter().any(|role| !matches!(role, Role::Dsl | Role::DeputyDsl)));
        }
    }

    #[test]
    fn somebody_present_receives_it_wherever_the_row_names_one((about, level, staffing) in any_case()) {
        let table = Table::standard();
        let could = chain(&about, &staffing, &table).into_iter().any(|person| staffing.is_present(person));
        let recipients = route(&about, level, &staffing, &table);
        prop_assert_eq!(recipients.iter().any(|one| one.reason != BY_CLASS && staffing.is_present(one.person)), could);
    }

    #[test]
    fn whoever_teaches_a_class_sees_low_behaviour_of_that_class_alone((mut about, level, mut staffing) in any_case()) {
        let teacher = PersonId::from_bytes([42; 16]);
        let teaches = BTreeSet::from(["7B".to_owned()]);
        let roles = BTreeSet::from([Role::ClassTeacher]);
        staffing.insert(teacher, Holder { roles, reach: Reach::SignsIn, teaches });
        let sees = |about: &About| {
            route(about, level, &staffing, &Table::standard()).iter().any(|one| one.person == teacher)
        };
        let expected = about.audience == Audience::Pupil && about.form == "7B" && level <= Level::Low
            && about.category.is_some_and(table::is_behaviour);
        prop_assert_eq!(sees(&about), expected);
        about.form = "9C".to_owned();
        prop_assert!(!sees(&about));
    }

    #[test]
    fn nothing_climbs_to_the_subject_and_nobody_stands_on_two_rungs((about, _, staffing) in any_case()) {
        let rungs = ladder(&about, &staffing, &Table::standard());
        let all: Vec<_> = rungs.iter().flat_map(|rung| &rung.people).collect();
        prop_assert!(all.iter().all(|person| Some(**person) != about.person && staffing.can_sign_in(**person)));
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        prop_assert!(rungs.iter().all(|rung| !rung.people.is_empty()));
        prop_assert!(rungs.is_sorted_by_key(|rung| rung.place));
    }

    #[test]
    fn an_illegal_case_has_three_who_can_decide_it_wherever_there_are((about, level, staffing) in any_case()) {
        let table = Table::standard();
        let possible = chain(&about, &staffing, &table).len();
        let recipients = route(&about, level, &staffing, &table);
        let decide = recipients.iter().filter(|one| one.reason != BY_CLASS && staffing.can_sign_in(one.person)).count();
        if about.class().is_illegal() {
            prop_assert!(decide >= possible.min(TOGETHER));
        }
    }
}

#[test]
fn an_account_on_no_list_is_the_headteachers_and_the_chair_hears_of_it() {
    let nobody = About { person: None, ..about(Audience::Unmapped, SOMEBODY, &[]) };
    assert_eq!(to(&nobody, Level::High), [HEAD]);
    assert_eq!(informed(&nobody, &staffing(), &Table::standard()), [CHAIR]);
    assert_eq!(informed(&about(Audience::Staff, SOMEBODY, &[]), &staffing(), &Table::standard()), []);
}

#[test]
fn a_concern_climbs_from_the_dsl_to_the_deputy_the_headteacher_and_the_chair() {
    let rungs = ladder(&about(Audience::Pupil, SOMEBODY, &[]), &staffing(), &Table::standard());
    let places: Vec<_> = rungs.iter().map(|rung| rung.place).collect();
    let people: Vec<_> = rungs.into_iter().map(|rung| rung.people).collect();
    assert_eq!(people, [[DSL], [DEPUTY], [HEAD], [CHAIR]]);
    assert_eq!(places, [Place::First, Place::Also, Place::Otherwise, Place::Otherwise]);
    let of_head = ladder(&about(Audience::Staff, HEAD, &[Role::Headteacher]), &staffing(), &Table::standard());
    assert_eq!(of_head, [Rung { place: Place::First, people: vec![CHAIR] }]);
}

#[test]
fn while_the_dsl_and_deputy_are_away_the_headteacher_is_told() {
    let mut people = staffing();
    people.insert(DSL, holder(&[Role::Dsl], Reach::Away));
    people.insert(DEPUTY, holder(&[Role::DeputyDsl], Reach::Away));
    let recipients = route(&about(Audience::Pupil, SOMEBODY, &[]), Level::High, &people, &Table::standard());
    assert!(recipients.iter().any(|one| one.person == HEAD && one.told == Told::AtOnce));
    assert!(recipients.iter().any(|one| one.person == DSL), "and the DSL still sees it");
}

#[test]
fn a_school_changes_rows_and_the_rest_stays() {
    let table = Table::parse("[staff]\nalso = [\"dsl\"]").unwrap();
    let of = |about: &About| route(about, Level::High, &staffing(), &table).into_iter().map(|one| one.person);
    assert_eq!(of(&about(Audience::Staff, SOMEBODY, &[])).collect::<Vec<_>>(), [DSL, HEAD]);
    assert_eq!(of(&about(Audience::Staff, DSL, &[Role::Dsl])).collect::<Vec<_>>(), [HEAD]);
    assert_eq!(Table::parse(""), Ok(Table::standard()));
}

#[test]
fn changes_that_leave_somebody_without_a_recipient_are_refused() {
    let fault = |text: &str| Table::parse(text).unwrap_err().to_string();
    assert_eq!(fault("[pupil]\nfirst = []"), "row `pupil`: nobody stands first");
    assert_eq!(fault("[pupil]\nfirst = [\"technician\"]"), "row `pupil`: a technician reads no concerns");
    assert_eq!(fault("[pupil]\nfirst = [\"dean\"]"), "row `pupil`: there is no role `dean`");
    assert!(fault("[pupils]\nfirst = [\"dsl\"]").starts_with("there is no row `pupils`"));
    assert!(fault("[pupil]\nfrist = [\"dsl\"]").contains("unknown field `frist`"));
    assert!(fault("[pupil_illegal]\nfirst = [\"dsl\"]").contains("together"));
    assert!(fault(&"#".repeat(MAX_ROUTING_BYTES + 1)).contains("at most"));

    assert_eq!(Table::standard().reaches(&staffing()), Ok(()));
    let site_only = Table::parse("[guest]\nfirst = [\"site_lead\"]\nalso = []\notherwise = []").unwrap();
    assert_eq!(site_only.reaches(&staffing()), Ok(()));
    let mut people = staffing();
    people.insert(SITE_LEAD, holder(&[Role::SiteLead], Reach::NoSignIn));
    assert_eq!(site_only.reaches(&people), Err(RoutingFault::Unreachable(Row::Guest)));
    // Nobody could read a concern about the chair, who is the only one to read those about staff.
    people.insert(HEAD, holder(&[Role::Headteacher], Reach::NoSignIn));
    assert_eq!(Table::standard().reaches(&people), Err(RoutingFault::Unreachable(Row::Governance)));
}
