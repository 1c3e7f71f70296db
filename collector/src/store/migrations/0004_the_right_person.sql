-- Whom a concern must reach, by when, and what several people agreed on.

-- ---- people ------------------------------------------------------------------------------------------------------

ALTER TABLE persons ADD COLUMN reference TEXT NOT NULL DEFAULT '';     -- the roster's own number of them
ALTER TABLE persons ADD COLUMN gender TEXT NOT NULL DEFAULT '';        -- as the roster says it; joined at export alone
ALTER TABLE persons ADD COLUMN year_group TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN vulnerable INTEGER NOT NULL DEFAULT 0;  -- 1: marked; shown to the DSL's team alone
ALTER TABLE persons ADD COLUMN left_us INTEGER;                        -- NULL: is here

-- Classes that somebody teaches or heads; their own class is a column of persons.
CREATE TABLE person_classes (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    class       TEXT NOT NULL,
    PRIMARY KEY (school_id, person_id, class)
) STRICT, WITHOUT ROWID;

CREATE TABLE absences (
    school_id   TEXT NOT NULL,
    absence_id  BLOB NOT NULL,
    person_id   BLOB NOT NULL,
    from_us     INTEGER NOT NULL,
    until_us    INTEGER NOT NULL,              -- does not count
    recorded_by BLOB,                          -- NULL: at the collector's machine
    recorded_us INTEGER NOT NULL,
    PRIMARY KEY (school_id, absence_id)
) STRICT;
CREATE INDEX absences_by_end ON absences (school_id, until_us);

-- ---- what several people agree on -----------------------------------------------------------------------------------

-- What a school decided for itself, as it was written: its calendar, its routing.
CREATE TABLE settings (
    school_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    changed_us  INTEGER NOT NULL,
    PRIMARY KEY (school_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
    school_id   TEXT NOT NULL,
    request_id  BLOB NOT NULL,
    reference   TEXT NOT NULL,                 -- random, as said on the telephone
    change      TEXT NOT NULL,                 -- JSON of what is asked for; identifiers, no names
    reason      TEXT NOT NULL,                 -- about the change; never about a pupil
    concern_id  BLOB,                          -- of a change to a concern: who may not see the one sees not the other
    person_id   BLOB NOT NULL,                 -- who asks
    asked_us    INTEGER NOT NULL,
    lapses_us   INTEGER NOT NULL,
    state       TEXT NOT NULL,                 -- 'waiting', 'done', 'refused', 'withdrawn', 'lapsed', 'failed'
    settled_us  INTEGER,
    PRIMARY KEY (school_id, request_id)
) STRICT;
CREATE UNIQUE INDEX requests_by_reference ON requests (school_id, reference);
CREATE INDEX requests_by_state ON requests (school_id, state, asked_us);

CREATE TABLE request_answers (
    school_id   TEXT NOT NULL,
    request_id  BLOB NOT NULL,
    person_id   BLOB NOT NULL,
    answer      TEXT NOT NULL,                 -- 'approved', 'refused', 'seen'
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (school_id, request_id, person_id)
) STRICT, WITHOUT ROWID;

-- ---- concerns ----------------------------------------------------------------------------------------------------

ALTER TABLE concerns ADD COLUMN merged_into BLOB;                      -- a link, undone by a split; NULL: stands by itself
ALTER TABLE concerns ADD COLUMN causes TEXT NOT NULL DEFAULT '';       -- why the level is not the rule's, with `,` between
ALTER TABLE concerns ADD COLUMN review_us INTEGER;                     -- returns to the queue then
ALTER TABLE concerns ADD COLUMN recorded_elsewhere TEXT NOT NULL DEFAULT ''; -- reference in the child-protection system
CREATE INDEX concerns_by_review ON concerns (school_id, review_us) WHERE review_us IS NOT NULL;
CREATE INDEX concerns_by_merge ON concerns (school_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX concerns_by_change ON concerns (school_id, state, changed_us);

-- Who handed a concern over because of a conflict of interest: nothing lets them see it again.
CREATE TABLE concern_recusals (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    person_id   BLOB NOT NULL,
    since_us    INTEGER NOT NULL,
    PRIMARY KEY (school_id, concern_id, person_id)
) STRICT, WITHOUT ROWID;

-- One row a concern that still has to climb or to be told again.
CREATE TABLE escalations (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    due_us      INTEGER NOT NULL,
    step        INTEGER NOT NULL,              -- times it climbed or was told again
    PRIMARY KEY (school_id, concern_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX escalations_due ON escalations (school_id, due_us);

-- An illegal case keeps everything of its subject and device until it is released.
CREATE TABLE holds (
    school_id   TEXT NOT NULL,
    hold_id     BLOB NOT NULL,
    concern_id  BLOB NOT NULL,
    subject_id  BLOB NOT NULL,
    device_id   BLOB NOT NULL,
    since_us    INTEGER NOT NULL,
    released_us INTEGER,
    PRIMARY KEY (school_id, hold_id)
) STRICT;
CREATE INDEX holds_standing ON holds (school_id, device_id) WHERE released_us IS NULL;
CREATE INDEX holds_of_subject ON holds (school_id, subject_id) WHERE released_us IS NULL;

-- A device looked at on purpose: its captures go here, and concern nobody.
CREATE TABLE investigations (
    school_id   TEXT NOT NULL,
    investigation_id BLOB NOT NULL,
    reference   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    purpose     TEXT NOT NULL,
    from_us     INTEGER NOT NULL,
    until_us    INTEGER NOT NULL,
    opened_by   BLOB NOT NULL,                 -- who asked
    approved_by BLOB NOT NULL,                 -- whose approval opened it
    opened_us   INTEGER NOT NULL,
    PRIMARY KEY (school_id, investigation_id)
) STRICT;
CREATE INDEX investigations_by_device ON investigations (school_id, device_id, until_us);

CREATE TABLE investigation_captures (
    school_id   TEXT NOT NULL,
    investigation_id BLOB NOT NULL,
    capture_id  BLOB NOT NULL,
    PRIMARY KEY (school_id, investigation_id, capture_id)
) STRICT, WITHOUT ROWID;

-- Who used a class log-on, as somebody says; undone by another row.
CREATE TABLE attributions (
    school_id   TEXT NOT NULL,
    attribution_id BLOB NOT NULL,
    concern_id  BLOB NOT NULL,
    from_subject BLOB NOT NULL,
    to_subject  BLOB NOT NULL,
    person_id   BLOB NOT NULL,                 -- who says so
    at_us       INTEGER NOT NULL,
    undone_us   INTEGER,
    PRIMARY KEY (school_id, attribution_id)
) STRICT;
CREATE INDEX attributions_of_concern ON attributions (school_id, concern_id);

-- Whether each rule of a concern was right, as it was judged; taken back with the judgement.
CREATE TABLE rule_verdicts (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    rule        TEXT NOT NULL,
    verdict     TEXT NOT NULL,                 -- 'true', 'false', 'unclear'
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (school_id, concern_id, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdicts_by_rule ON rule_verdicts (school_id, rule, verdict);

-- What a technician is asked to change in the filter: host and category, nothing of anybody.
CREATE TABLE filter_tickets (
    school_id   TEXT NOT NULL,
    ticket_id   BLOB NOT NULL,
    host        TEXT NOT NULL,
    category    TEXT NOT NULL,
    wanted      TEXT NOT NULL,                 -- 'block', or 'check': whether it should be allowed
    day         TEXT NOT NULL,                 -- date in the school's zone
    done_us     INTEGER,
    PRIMARY KEY (school_id, ticket_id)
) STRICT;
CREATE UNIQUE INDEX tickets_waiting ON filter_tickets (school_id, host, category, wanted) WHERE done_us IS NULL;

-- ---- notifications -----------------------------------------------------------------------------------------------

ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'concern';    -- which fixed sentences it says
ALTER TABLE outbox ADD COLUMN watch TEXT NOT NULL DEFAULT 'school_hours'; -- who was promised to be watching
