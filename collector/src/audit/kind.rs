//! What is written down, each with the code that stands inside the act.

/// What was done or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActKind {
    /// The product made a concern.
    ConcernOpened,
    /// The product raised a concern's level, or brought a closed one back.
    ConcernRaised,
    /// Nobody acknowledged a concern in time: it climbed, or was told again.
    ConcernClimbed,
    /// A concern's review date came.
    ConcernReviewDue,
    /// A capture of whoever looks at a device on purpose was filed with the investigation.
    CaptureInvestigated,
    /// A person opened a concern and its evidence.
    ConcernViewed,
    /// A person acknowledged a concern.
    ConcernAcknowledged,
    /// A person wrote a note.
    ConcernNoted,
    /// A person judged a concern.
    ConcernJudged,
    /// A person closed a concern.
    ConcernClosed,
    /// A person reopened a concern.
    ConcernReopened,
    /// A person let a concern count towards another.
    ConcernMerged,
    /// A person let a merged concern stand by itself again.
    ConcernSplit,
    /// A person took back what they just did with a concern.
    ConcernUndone,
    /// A person put a concern off.
    ConcernPutOff,
    /// A person brought a concern back that they had put off.
    ConcernBroughtBack,
    /// A person said who deals with a concern.
    ConcernAssigned,
    /// A person brought a concern to whoever is next up.
    ConcernEscalated,
    /// A person wrote down to whom a concern was referred.
    ConcernReferred,
    /// A person asked to be told when a topic comes again.
    RecurrenceWatched,
    /// Captures of other concerns were opened to be compared with those of one that a person opened.
    ConcernsCompared,
    /// A person read everything that stands about a subject.
    ChronologyViewed,
    /// A person wrote the school's local numbers or its action matrix down.
    LocalHelpChanged,
    /// A technician looked at a rule that somebody called noisy.
    RuleTicketDone,
    /// A person told technicians that a rule is noisy.
    RuleReported,
    /// A person handed a concern to somebody without a conflict of interest.
    ConcernTransferred,
    /// A person let a colleague see a concern.
    ConcernShared,
    /// A person kept a concern for a case at law.
    ConcernHeld,
    /// A case at law over a concern ended.
    ConcernReleased,
    /// A person said who used a class log-on.
    ConcernAttributed,
    /// A person took back who used a class log-on.
    ConcernUnattributed,
    /// A technician did what a change to the filter asked for.
    FilterTicketDone,
    /// A person asked for a concern that they may not open.
    ConcernRefused,
    /// A person asked for a change that takes more than one.
    RequestMade,
    /// A person answered a request.
    RequestAnswered,
    /// A request was carried out, or settled otherwise.
    RequestSettled,
    /// A person ended an exemption early.
    ExemptionEnded,
    /// A removable medium was approved.
    MediumApproved,
    /// A removable medium is approved no more.
    MediumWithdrawn,
    /// People were imported.
    PeopleImported,
    /// Pupils moved up a year.
    PeopleRolledOver,
    /// Somebody is away.
    AbsenceRecorded,
    /// Somebody is back, or will not be away.
    AbsenceEnded,
    /// Devices were put in rooms by a list.
    RoomsImported,
    /// A sign-in was added or changed.
    SignInChanged,
    /// A person set an authenticator up.
    SecondStepSetUp,
    /// A person's authenticator was forgotten, so that they set another one up.
    SecondStepForgotten,
    /// A person gave a recovery code for their second step.
    RecoveryCodeUsed,
    /// A person made new recovery codes.
    RecoveryCodesRenewed,
    /// A person signed in.
    SignedIn,
    /// A sign-in failed.
    SignInFailed,
    /// A person signed out.
    SignedOut,
    /// A campaign token was made.
    TokenCreated,
    /// A campaign token was withdrawn.
    TokenWithdrawn,
    /// A device that waited was let in.
    DeviceLetIn,
    /// A device that waited was turned away.
    DeviceTurnedAway,
    /// A device enrolled.
    DeviceEnrolled,
    /// A device was denied.
    DeviceRevoked,
    /// The agent was taken off a device's computer, which is denied from then on.
    DeviceRemoved,
    /// The database was brought back from a back-up.
    CollectorRestored,
    /// The authority was rolled over to a new key.
    AuthorityRolledOver,
    /// The authority before was retired.
    AuthorityRetired,
    /// A rule set was published.
    RuleSetPublished,
    /// A policy was published.
    PolicyPublished,
    /// A release may go further.
    RollOutGrown,
    /// A release goes no further.
    RollOutHalted,
    /// An evidence key was deleted.
    KeyErased,
    /// Devices of a room fell silent.
    SilenceRaised,
    /// All of them were heard again, or are no longer the school's.
    SilenceEnded,
    /// The list of expected devices was imported.
    ExpectedImported,
    /// A check that monitoring works was recorded.
    CheckRecorded,
    /// Alerts of the web filter were imported.
    FilterImported,
}

impl ActKind {
    /// The stable code inside the act.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ConcernOpened => "concern_opened",
            Self::ConcernRaised => "concern_raised",
            Self::ConcernClimbed => "concern_climbed",
            Self::ConcernReviewDue => "concern_review_due",
            Self::CaptureInvestigated => "capture_investigated",
            Self::ConcernViewed => "concern_viewed",
            Self::ConcernAcknowledged => "concern_acknowledged",
            Self::ConcernNoted => "concern_noted",
            Self::ConcernJudged => "concern_judged",
            Self::ConcernClosed => "concern_closed",
            Self::ConcernReopened => "concern_reopened",
            Self::ConcernMerged => "concern_merged",
            Self::ConcernSplit => "concern_split",
            Self::ConcernUndone => "concern_undone",
            Self::ConcernPutOff => "concern_put_off",
            Self::ConcernBroughtBack => "concern_brought_back",
            Self::ConcernAssigned => "concern_assigned",
            Self::ConcernEscalated => "concern_escalated",
            Self::ConcernReferred => "concern_referred",
            Self::RecurrenceWatched => "recurrence_watched",
            Self::ConcernsCompared => "concerns_compared",
            Self::ChronologyViewed => "chronology_viewed",
            Self::LocalHelpChanged => "local_help_changed",
            Self::RuleTicketDone => "rule_ticket_done",
            Self::RuleReported => "rule_reported",
            Self::ConcernTransferred => "concern_transferred",
            Self::ConcernShared => "concern_shared",
            Self::ConcernHeld => "concern_held",
            Self::ConcernReleased => "concern_released",
            Self::ConcernAttributed => "concern_attributed",
            Self::ConcernUnattributed => "concern_unattributed",
            Self::FilterTicketDone => "filter_ticket_done",
            Self::ConcernRefused => "concern_refused",
            Self::RequestMade => "request_made",
            Self::RequestAnswered => "request_answered",
            Self::RequestSettled => "request_settled",
            Self::ExemptionEnded => "exemption_ended",
            Self::MediumApproved => "medium_approved",
            Self::MediumWithdrawn => "medium_withdrawn",
            Self::PeopleImported => "people_imported",
            Self::PeopleRolledOver => "people_rolled_over",
            Self::AbsenceRecorded => "absence_recorded",
            Self::AbsenceEnded => "absence_ended",
            Self::RoomsImported => "rooms_imported",
            Self::SignInChanged => "sign_in_changed",
            Self::SecondStepSetUp => "second_step_set_up",
            Self::SecondStepForgotten => "second_step_forgotten",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::TokenCreated => "token_created",
            Self::TokenWithdrawn => "token_withdrawn",
            Self::DeviceLetIn => "device_let_in",
            Self::DeviceTurnedAway => "device_turned_away",
            Self::DeviceEnrolled => "device_enrolled",
            Self::DeviceRevoked => "device_revoked",
            Self::DeviceRemoved => "device_removed",
            Self::CollectorRestored => "collector_restored",
            Self::AuthorityRolledOver => "authority_rolled_over",
            Self::AuthorityRetired => "authority_retired",
            Self::RuleSetPublished => "rule_set_published",
            Self::RollOutGrown => "roll_out_grown",
            Self::RollOutHalted => "roll_out_halted",
            Self::PolicyPublished => "policy_published",
            Self::KeyErased => "key_erased",
            Self::SilenceRaised => "silence_raised",
            Self::SilenceEnded => "silence_ended",
            Self::ExpectedImported => "expected_imported",
            Self::CheckRecorded => "check_recorded",
            Self::FilterImported => "filter_imported",
        }
    }
}
