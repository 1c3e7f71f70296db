-- The second step of a sign-in. The key is sealed under one of the key file, of which this knows the id.
CREATE TABLE second_steps (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    key_id      BLOB NOT NULL,
    sealed      BLOB NOT NULL,                 -- the authenticator's key, 20 bytes
    last_step   INTEGER NOT NULL,              -- the newest step of time whose code was taken: each is taken once
    set_up_us   INTEGER NOT NULL,
    PRIMARY KEY (school_id, person_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    digest      BLOB NOT NULL,                 -- SHA-256 of the code
    PRIMARY KEY (school_id, person_id, digest)
) STRICT, WITHOUT ROWID;

-- Whoever gave the right password, and not the second step yet.
CREATE TABLE sign_in_turns (
    school_id   TEXT NOT NULL,
    turn_hash   BLOB NOT NULL,                 -- SHA-256 of the cookie
    login       TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    tries       INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    PRIMARY KEY (school_id, turn_hash)
) STRICT, WITHOUT ROWID;
