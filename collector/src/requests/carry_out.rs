//! What becomes of a change: whether it can be asked for, and doing it, in the transaction of the last approval.

use super::{Change, Request, State};
use crate::actor::{Actor, Role};
use crate::audit::{self, Act, ActKind};
use crate::calendar::{Calendar, CalendarFault};
use crate::exemption::{LONGEST_US, Plan, PlanFault};
use crate::ids::{InvestigationId, StepId};
use crate::routing::{RoutingFault, Staffing, Table};
use crate::store::concerns::{self, Standing};
use crate::store::investigations::{self, NewInvestigation};
use crate::store::settings::{self, Setting};
use crate::store::steps::{self, NewStep};
use crate::store::{StoreError, Tx, devices, exemptions, holds, people, reviews};
use crate::triage::{self, Move};

/// Longest purpose of an investigation, in bytes.
const MAX_PURPOSE_BYTES: usize = 500;
/// Longest investigation: four weeks.
const LONGEST_INVESTIGATION_US: i64 = 28 * 24 * 60 * 60 * 1_000_000;

/// Why a change cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No such person on the staff.
    #[error("there is no such person on the staff")]
    Person,
    /// Nobody would be left in a role that the school cannot be without.
    #[error("nobody else holds that role and can sign in")]
    LastOne,
    /// Something changed since it was asked for.
    #[error("it has changed since this was asked for: ask again")]
    Overtaken,
    /// With people as they would be then, a concern would reach nobody.
    #[error("a concern would reach nobody then: give somebody else the role first")]
    Unreached,
    /// The calendar cannot be used.
    #[error(transparent)]
    Calendar(#[from] CalendarFault),
    /// The routing cannot be used.
    #[error(transparent)]
    Routing(#[from] RoutingFault),
    /// The concern cannot be closed as it stands.
    #[error("the concern cannot be closed as it stands")]
    Concern,
    /// An investigation of no device, for nothing, or for too long.
    #[error("an investigation names an enrolled device, says what for, and lasts up to four weeks from now on")]
    Investigation,
    /// The exemption cannot be.
    #[error(transparent)]
    Exemption(#[from] PlanFault),
    /// The database did not do it.
    #[error("cannot store the change")]
    Store(#[from] StoreError),
}

/// Whether `change` can be asked for as things stand.
///
/// # Errors
///
/// [`Fault`].
pub(super) async fn check(tx: &mut Tx, actor: &Actor, change: &Change, now_us: i64) -> Result<(), Fault> {
    let school = actor.school();
    match change {
        Change::GrantRole { person, role } => {
            if !people::is_staff(tx, school, *person).await? {
                return Err(Fault::Person);
            }
            let mut staffing = people::staffing(tx, school, now_us).await?;
            let reached = settings::routing(tx, school).await?.reaches(&staffing).is_ok();
            staffing.grant(*person, *role);
            still_reaches(tx, actor, &staffing, reached).await
        }
        Change::WithdrawRole { person, role } => {
            let mut staffing = people::staffing(tx, school, now_us).await?;
            if !staffing.holds(*person, *role) {
                return Err(Fault::Person);
            }
            let others = staffing.with(*role).any(|one| one != *person && staffing.can_sign_in(one));
            if role.is_privileged() && !others {
                return Err(Fault::LastOne);
            }
            let reached = settings::routing(tx, school).await?.reaches(&staffing).is_ok();
            staffing.withdraw(*person, *role);
            still_reaches(tx, actor, &staffing, reached).await
        }
        Change::Calendar { text, over } => {
            if *over != settings::digest(tx, school, Setting::Calendar).await? {
                return Err(Fault::Overtaken);
            }
            if text.trim().is_empty() {
                return Ok(());
            }
            let zone = settings::zone(tx, school).await?;
            let today = Calendar::weekdays(zone.clone()).date(now_us);
            Ok(Calendar::parse(text, zone, today).map(drop)?)
        }
        Change::Routing { text, over } => {
            if *over != settings::digest(tx, school, Setting::Routing).await? {
                return Err(Fault::Overtaken);
            }
            let staffing = people::staffing(tx, school, now_us).await?;
            Ok(Table::parse(text)?.reaches(&staffing)?)
        }
        Change::CloseIllegal { concern, changed_us, .. } => {
            let Some(standing) = concerns::standing(tx, actor, *concern).await? else { return Err(Fault::Concern) };
            if standing.changed_us != *changed_us {
                return Err(Fault::Overtaken);
            }
            if can_close(&standing) { Ok(()) } else { Err(Fault::Concern) }
        }
        Change::Investigate { device, purpose, from_us, until_us } => {
            let purpose = purpose.trim();
            let worded = !purpose.is_empty() && purpose.len() <= MAX_PURPOSE_BYTES;
            // Opened beforehand: nothing that was captured already can be filed away.
            let timed = now_us <= *from_us
                && from_us < until_us
                && until_us.saturating_sub(*from_us) <= LONGEST_INVESTIGATION_US;
            if worded && timed && devices::exists(tx, school, *device).await? {
                Ok(())
            } else {
                Err(Fault::Investigation)
            }
        }
        Change::Exempt { exemption } => check_exemption(tx, actor, exemption, now_us).await,
    }
}

async fn check_exemption(tx: &mut Tx, actor: &Actor, plan: &Plan, now_us: i64) -> Result<(), Fault> {
    let school = actor.school();
    let lesson_minutes = settings::calendar(tx, school, now_us).await?.lesson_minutes();
    let lately = exemptions::standing(tx, school, now_us.saturating_sub(LONGEST_US)).await?;
    plan.check(now_us, lesson_minutes, &lately)?;
    let places = exemptions::places(tx, school).await?;
    if !plan.groups.is_subset(&places.groups) || !plan.rooms.is_subset(&places.rooms) {
        return Err(PlanFault::UnknownPlace.into());
    }
    let staffing = people::staffing(tx, school, now_us).await?;
    let mut technicians = staffing.with(Role::Technician).filter(|one| staffing.can_sign_in(*one));
    let reads = technicians.any(|one| Some(one) != actor.person());
    if reads { Ok(()) } else { Err(PlanFault::NoReader.into()) }
}

/// Whether concerns reach people as they would be then; a school that is not there yet may come nearer.
async fn still_reaches(tx: &mut Tx, actor: &Actor, staffing: &Staffing, reached: bool) -> Result<(), Fault> {
    let table = settings::routing(tx, actor.school()).await?;
    if !reached || table.reaches(staffing).is_ok() { Ok(()) } else { Err(Fault::Unreached) }
}

/// Carries `request` out. What could be asked for and cannot be any more has failed.
///
/// # Errors
///
/// When the database did not do it.
pub(super) async fn carry_out(tx: &mut Tx, actor: &Actor, request: &Request, now_us: i64) -> Result<State, StoreError> {
    match check_again(tx, actor, request, now_us).await {
        Ok(()) => {}
        Err(Fault::Store(error)) => return Err(error),
        Err(_) => return Ok(State::Failed),
    }
    let school = actor.school();
    match &request.change {
        Change::GrantRole { person, role } => {
            people::grant(tx, school, *person, *role).await?;
            triage::reroute(tx, actor, now_us).await?;
        }
        Change::WithdrawRole { person, role } => {
            people::withdraw(tx, school, *person, *role).await?;
            triage::unroute(tx, actor, *person, now_us).await?;
            triage::reroute(tx, actor, now_us).await?;
        }
        Change::Calendar { text, .. } => settings::write(tx, school, Setting::Calendar, text, now_us).await?,
        Change::Routing { text, .. } => {
            settings::write(tx, school, Setting::Routing, text, now_us).await?;
            triage::reroute(tx, actor, now_us).await?;
        }
        Change::CloseIllegal { concern, review_us, .. } => {
            close(tx, actor, *concern, now_us).await?;
            reviews::set(tx, school, *concern, *review_us).await?;
        }
        Change::Investigate { device, purpose, from_us, until_us } => {
            let investigation = NewInvestigation {
                id: InvestigationId::random()?,
                reference: &request.reference,
                device: *device,
                purpose: purpose.trim(),
                from_us: *from_us,
                until_us: *until_us,
                opened_by: request.by,
                approved_by: actor.person().unwrap_or(request.by),
            };
            investigations::insert(tx, school, &investigation, now_us).await?;
        }
        Change::Exempt { exemption } => exemptions::insert(tx, school, request.id, exemption, now_us).await?,
    }
    Ok(State::Done)
}

/// As [`check`], for whoever asked: an approver of an illegal case may not see the concern, and the last to answer for an
/// exemption may be the technician who read it.
async fn check_again(tx: &mut Tx, actor: &Actor, request: &Request, now_us: i64) -> Result<(), Fault> {
    match &request.change {
        Change::CloseIllegal { .. } | Change::Exempt { .. } => {
            let product = Actor::Product { school: actor.school().clone() };
            check(tx, &product, &request.change, now_us).await
        }
        Change::GrantRole { .. }
        | Change::WithdrawRole { .. }
        | Change::Calendar { .. }
        | Change::Routing { .. }
        | Change::Investigate { .. } => check(tx, actor, &request.change, now_us).await,
    }
}

fn can_close(standing: &Standing) -> bool {
    triage::is_illegal(&standing.category) && standing.state.after(Move::Close).is_ok()
}

async fn close(tx: &mut Tx, actor: &Actor, concern: crate::ids::ConcernId, now_us: i64) -> Result<(), StoreError> {
    let school = actor.school();
    let product = Actor::Product { school: school.clone() };
    let Some(standing) = concerns::standing(tx, &product, concern).await? else {
        return Err(StoreError::Corrupt { what: "concern of a request" });
    };
    let Ok(to) = standing.state.after(Move::Close) else {
        return Err(StoreError::Corrupt { what: "concern of a request" });
    };
    let step =
        NewStep { id: StepId::random()?, concern, kind: "closed", from: standing.state, to, at_us: now_us, note: None };
    steps::insert(tx, actor, &step).await?;
    concerns::set_state(tx, school, concern, to, now_us).await?;
    holds::release(tx, school, concern, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::ConcernClosed, concern).with("step", step.id).with("to", to);
    audit::append(tx, &act).await?;
    Ok(())
}
