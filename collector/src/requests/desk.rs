//! Asking and answering: one transaction each, with the act in the audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_rules::Level;
use tokio::sync::Notify;

use super::carry_out::{self, Fault};
use super::{Answer, Change, LAPSES_AFTER_US, MAX_REASON_BYTES, Request, Standing, State, eligible, standing};
use crate::actor::{Actor, PersonId, Role};
use crate::audit::{self, Act, ActKind};
use crate::clock::Clock;
use crate::ids::RequestId;
use crate::notify::Purpose;
use crate::routing::{self, Staffing, Table};
use crate::store::outbox::{self, Message};
use crate::store::{Store, StoreError, Tx, concerns, people, recipients, requests as rows, settings, subjects};
use crate::triage::random_reference;

/// Settled requests that one person is shown.
const LIMIT: usize = 200;
/// Settled requests that are looked at together.
const AT_ONCE: u32 = 500;
/// Requests that one person has waiting at most.
const MOST_WAITING: i64 = 20;
/// Tries to find a free reference.
const REFERENCE_TRIES: usize = 16;

/// Takes and answers requests.
#[derive(Clone)]
pub struct Approvals {
    store: Store,
    clock: Arc<dyn Clock>,
    mail: Arc<Notify>,
}

/// A request as one person may see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The request.
    pub request: Request,
    /// What it still lacks.
    pub standing: Standing,
    /// What whoever looks may do.
    pub may: May,
}

/// What somebody may do with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct May {
    /// Approve or refuse it.
    pub answer: bool,
    /// Say that they have read what comes with it.
    pub see: bool,
    /// Withdraw it.
    pub withdraw: bool,
}

/// Why nothing was asked, answered or carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is none, or the actor may not know of it.
    #[error("no such request for this actor")]
    NotFound,
    /// The actor may not ask for it, or may not answer.
    #[error("this actor may not ask for that")]
    NotTheirs,
    /// It is settled.
    #[error("the request is {0}")]
    Settled(State),
    /// A reason is missing or too long.
    #[error("a reason has 1 to {MAX_REASON_BYTES} bytes, not {0}")]
    ReasonLength(usize),
    /// Too few people could approve it.
    #[error("it takes {needed} approvals, and only {able} could give one: give further people roles and sign-ins")]
    TooFewApprovers {
        /// Approvals it takes.
        needed: usize,
        /// People who could.
        able: usize,
    },
    /// Nobody of those who could approve holds a role that one of the approvals has to come from.
    #[error("one of its approvals is by the DSL or their deputy, and none of them could give it")]
    NobodyAmong,
    /// Whoever asks has enough requests waiting.
    #[error("you have {MOST_WAITING} requests waiting: withdraw one first")]
    TooMany,
    /// What is asked for cannot be.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The database did not do it.
    #[error("cannot store the request")]
    Store(#[from] StoreError),
}

/// The people and the table of the moment.
struct Moment {
    staffing: Staffing,
    table: Table,
}

/// The people of the moment, and who of them may approve one change.
struct Able {
    staffing: Staffing,
    people: BTreeSet<PersonId>,
}

impl Approvals {
    /// Over `store`; the mailer is told by `mail`.
    #[must_use]
    pub const fn new(store: Store, clock: Arc<dyn Clock>, mail: Arc<Notify>) -> Self {
        Self { store, clock, mail }
    }

    /// Asks for `change`, and tells whoever may approve it.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; nothing was asked then.
    pub async fn ask(&self, actor: &Actor, change: Change, reason: &str) -> Result<String, RequestError> {
        let mut tx = self.store.begin().await?;
        let reference = ask(&mut tx, actor, change, reason, self.clock.wall_us()).await?;
        tx.commit().await?;
        self.mail.notify_one();
        Ok(reference)
    }

    /// Answers a request; with the last approval it is carried out. Answers where it stands now.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; nothing was answered then.
    pub async fn answer(&self, actor: &Actor, reference: &str, answer: Answer) -> Result<State, RequestError> {
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        let (mut request, able) = find(&mut tx, actor, reference, now_us).await?;
        if request.state != State::Waiting {
            return Err(RequestError::Settled(request.state));
        }
        let (Some(person), may) = (actor.person(), may(&request, actor, &able)) else {
            return Err(RequestError::NotTheirs);
        };
        let allowed = match answer {
            Answer::Approved | Answer::Refused => may.answer,
            Answer::Seen => may.see,
        };
        if !allowed {
            return Err(RequestError::NotTheirs);
        }
        rows::answer(&mut tx, actor.school(), request.id, person, answer, now_us).await?;
        request.answers.insert(person, answer);
        let act = Act::new(actor, now_us, ActKind::RequestAnswered, request.id).with("answer", answer.as_str());
        audit::append(&mut tx, &act).await?;
        let state = match standing(&request, &able.people, &able.staffing) {
            Standing::Waits { .. } => State::Waiting,
            Standing::Refused => State::Refused,
            Standing::Approved => carry_out::carry_out(&mut tx, actor, &request, now_us).await?,
        };
        if state != State::Waiting {
            settle(&mut tx, actor, &request, state, now_us).await?;
        }
        tx.commit().await?;
        self.mail.notify_one();
        Ok(state)
    }

    /// Withdraws a request of one's own.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; nothing changed then.
    pub async fn withdraw(&self, actor: &Actor, reference: &str) -> Result<(), RequestError> {
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        let (request, able) = find(&mut tx, actor, reference, now_us).await?;
        if request.state != State::Waiting {
            return Err(RequestError::Settled(request.state));
        }
        if !may(&request, actor, &able).withdraw {
            return Err(RequestError::NotTheirs);
        }
        settle(&mut tx, actor, &request, State::Withdrawn, now_us).await?;
        Ok(tx.commit().await?)
    }

    /// The requests that `actor` asked for, may answer, or has to read: those that wait, and exemptions that are not over,
    /// then the latest of the settled ones. How many others there are shows in none of it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<Shown>, RequestError> {
        let now_us = self.clock.wall_us();
        let mut tx = self.store.view().await?;
        let moment = Moment::read(&mut tx, actor, now_us).await?;
        let mut shown = Vec::new();
        for request in rows::standing(&mut tx, actor.school(), now_us).await? {
            shown.extend(moment.shown(&mut tx, actor, as_of(request, now_us)).await?);
        }
        let most = shown.len().saturating_add(LIMIT);
        let mut last = None;
        loop {
            let settled = rows::settled(&mut tx, actor.school(), now_us, last.as_ref(), AT_ONCE).await?;
            last = settled.last().map(|request| (request.asked_us, request.reference.clone()));
            for request in settled {
                shown.extend(moment.shown(&mut tx, actor, request).await?);
                if shown.len() >= most {
                    return Ok(shown);
                }
            }
            if last.is_none() {
                return Ok(shown);
            }
        }
    }
}

/// Asks for `change` within a transaction of the caller's; answers the request's reference.
pub(crate) async fn ask(
    tx: &mut Tx,
    actor: &Actor,
    change: Change,
    reason: &str,
    now_us: i64,
) -> Result<String, RequestError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(RequestError::ReasonLength(reason.len()));
    }
    let Some(by) = actor.person() else { return Err(RequestError::NotTheirs) };
    let terms = change.terms();
    let asks = terms.askers.is_empty() || terms.askers.iter().any(|role| actor.has(*role));
    if !asks || change.about() == Some(by) {
        return Err(RequestError::NotTheirs);
    }
    if rows::waiting_of(tx, actor.school(), by).await? >= MOST_WAITING {
        return Err(RequestError::TooMany);
    }
    carry_out::check(tx, actor, &change, now_us).await?;
    let able = Moment::read(tx, actor, now_us).await?.able(tx, actor, &change, by).await?;
    if able.people.len() < terms.needed {
        return Err(RequestError::TooFewApprovers { needed: terms.needed, able: able.people.len() });
    }
    let is_among = |role: &Role| able.people.iter().any(|person| able.staffing.holds(*person, *role));
    if terms.among.is_some_and(|roles| !roles.iter().any(is_among)) {
        return Err(RequestError::NobodyAmong);
    }
    let school = actor.school();
    let request = Request {
        id: RequestId::random().map_err(StoreError::from)?,
        reference: free_reference(tx, actor).await?,
        change,
        reason: reason.to_owned(),
        by,
        asked_us: now_us,
        lapses_us: now_us.saturating_add(LAPSES_AFTER_US),
        state: State::Waiting,
        answers: BTreeMap::new(),
    };
    rows::insert(tx, school, &request).await?;
    tell(tx, actor, &request, &able, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::RequestMade, request.id)
        .with("change", request.change.code())
        .with("digest", request.change.digest());
    audit::append(tx, &act).await?;
    Ok(request.reference)
}

/// Tells whoever may approve, and whoever has to read it first.
async fn tell(tx: &mut Tx, actor: &Actor, request: &Request, able: &Able, now_us: i64) -> Result<(), StoreError> {
    let mut readers = able.people.clone();
    if let Some(role) = request.change.terms().seen_by {
        readers.extend(able.staffing.with(role));
    }
    for person in readers {
        let reference = request.reference.as_str();
        let message = Message { person, purpose: Purpose::Request, reference, level: Level::Moderate };
        outbox::insert(tx, actor.school(), &message, now_us).await?;
    }
    Ok(())
}

async fn settle(tx: &mut Tx, actor: &Actor, request: &Request, state: State, now_us: i64) -> Result<(), StoreError> {
    rows::settle(tx, actor.school(), request.id, state, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::RequestSettled, request.id)
        .with("change", request.change.code())
        .with("digest", request.change.digest())
        .with("state", state);
    audit::append(tx, &act).await?;
    Ok(())
}

/// The request of that reference, unless `actor` may not know of it.
async fn find(tx: &mut Tx, actor: &Actor, reference: &str, now_us: i64) -> Result<(Request, Able), RequestError> {
    let found = rows::by_reference(tx, actor.school(), reference).await?;
    let Some(request) = found.map(|one| as_of(one, now_us)) else { return Err(RequestError::NotFound) };
    let able = Moment::read(tx, actor, now_us).await?.able(tx, actor, &request.change, request.by).await?;
    if is_visible(&request, actor, &able) { Ok((request, able)) } else { Err(RequestError::NotFound) }
}

/// A request that nobody settled in time has lapsed, whether or not somebody has written so.
fn as_of(request: Request, now_us: i64) -> Request {
    let lapsed = request.state == State::Waiting && request.lapses_us <= now_us;
    Request { state: if lapsed { State::Lapsed } else { request.state }, ..request }
}

impl Moment {
    async fn read(tx: &mut Tx, actor: &Actor, now_us: i64) -> Result<Self, StoreError> {
        let school = actor.school();
        let staffing = people::staffing(tx, school, now_us).await?;
        Ok(Self { staffing, table: settings::routing(tx, school).await? })
    }

    /// `request` as `actor` sees it; `None` where they may not know of it.
    async fn shown(&self, tx: &mut Tx, actor: &Actor, request: Request) -> Result<Option<Shown>, StoreError> {
        let able = self.able(tx, actor, &request.change, request.by).await?;
        Ok(is_visible(&request, actor, &able).then(|| Shown {
            standing: standing(&request, &able.people, &able.staffing),
            may: may(&request, actor, &able),
            request,
        }))
    }

    async fn able(&self, tx: &mut Tx, actor: &Actor, change: &Change, by: PersonId) -> Result<Able, StoreError> {
        let (school, staffing) = (actor.school(), self.staffing.clone());
        let chain = match change.concern() {
            Some(concern) => {
                let Some(routed) = concerns::routed(tx, school, concern).await? else {
                    return Ok(Able { staffing, people: BTreeSet::new() });
                };
                let about = subjects::read(tx, school, routed.subject).await?.about(&routed.category);
                let recused = recipients::recused(tx, school, concern).await?;
                let mut chain = routing::chain(&about, &staffing, &self.table);
                chain.retain(|person| !recused.contains(person));
                Some(chain)
            }
            None => None,
        };
        let people = eligible(change, by, &staffing, chain.as_ref());
        Ok(Able { staffing, people })
    }
}

fn is_visible(request: &Request, actor: &Actor, able: &Able) -> bool {
    let Some(person) = actor.person() else { return true };
    let reads = request.change.terms().seen_by.is_some_and(|role| able.staffing.holds(person, role));
    request.by == person || able.people.contains(&person) || reads
}

fn may(request: &Request, actor: &Actor, able: &Able) -> May {
    let (Some(person), State::Waiting) = (actor.person(), request.state) else { return May::default() };
    let reads = request.change.terms().seen_by.is_some_and(|role| able.staffing.holds(person, role));
    May {
        answer: able.people.contains(&person),
        see: reads && request.by != person && !request.answers.contains_key(&person),
        withdraw: request.by == person,
    }
}

async fn free_reference(tx: &mut Tx, actor: &Actor) -> Result<String, StoreError> {
    for _ in 0..REFERENCE_TRIES {
        let reference = format!("R-{}", random_reference()?);
        if !rows::reference_exists(tx, actor.school(), &reference).await? {
            return Ok(reference);
        }
    }
    Err(StoreError::Corrupt { what: "set of references: none is free" })
}
