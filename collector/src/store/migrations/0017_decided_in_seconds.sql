-- What makes a decision quick, and what can be taken back at once.

ALTER TABLE concerns ADD COLUMN assigned_to BLOB;        -- a person who deals with it; NULL: nobody by name

-- The last act on a concern that can be taken back, and how the concern stood before it.
CREATE TABLE undoable (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    person_id   BLOB NOT NULL,                 -- who acted
    at_us       INTEGER NOT NULL,
    changed_us  INTEGER NOT NULL,              -- of the concern, after the act: whatever comes later leaves nothing to undo
    before      TEXT NOT NULL,                 -- JSON: state, verdicts, dates, reference elsewhere
    PRIMARY KEY (school_id, concern_id)
) STRICT, WITHOUT ROWID;

-- What somebody put off: out of their own list until the time comes, or anything happens to it.
CREATE TABLE snoozes (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    concern_id  BLOB NOT NULL,
    until_us    INTEGER NOT NULL,
    changed_us  INTEGER NOT NULL,              -- of the concern, when it was put off
    PRIMARY KEY (school_id, person_id, concern_id)
) STRICT, WITHOUT ROWID;

-- Who wants to hear of it when a topic comes again about the same subject.
CREATE TABLE recurrences (
    school_id   TEXT NOT NULL,
    subject_id  BLOB NOT NULL,
    category    TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    since_us    INTEGER NOT NULL,
    until_us    INTEGER NOT NULL,
    PRIMARY KEY (school_id, subject_id, category, person_id)
) STRICT, WITHOUT ROWID;

-- The last verdicts on a rule, without those before.
CREATE INDEX verdicts_by_time ON rule_verdicts (school_id, rule, at_us);

-- What technicians are asked to look at in the rules: a rule and the shape of what matched, nothing of anybody.
CREATE TABLE rule_tickets (
    school_id   TEXT NOT NULL,
    ticket_id   BLOB NOT NULL,
    rule        TEXT NOT NULL,
    signal      INTEGER NOT NULL,              -- lapwing.v1.Signal
    shape       TEXT NOT NULL,                 -- what matched, a dot for each letter and what it says; letters of none
    day         TEXT NOT NULL,                 -- date in the school's zone
    done_us     INTEGER,
    PRIMARY KEY (school_id, ticket_id)
) STRICT;
CREATE UNIQUE INDEX rule_tickets_waiting ON rule_tickets (school_id, rule, signal, shape) WHERE done_us IS NULL;
