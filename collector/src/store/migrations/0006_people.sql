-- Lists of people that grow up, and who is away.

-- Counts changes to persons: a change that was planned on what stood before is planned again.
CREATE TABLE people_revisions (
    school_id   TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (school_id)
) STRICT, WITHOUT ROWID;

-- School years that pupils have moved up into.
CREATE TABLE roll_overs (
    school_id   TEXT NOT NULL,
    into_year   INTEGER NOT NULL,              -- the year it begins in
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (school_id, into_year)
) STRICT, WITHOUT ROWID;

CREATE INDEX absences_of_person ON absences (school_id, person_id, until_us);
