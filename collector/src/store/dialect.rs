//! What differs between databases. SQLite stands here; another database gives the same macros.

/// The rows of a JSON array, as `each`; a field is `each.value ->> 'name'`.
macro_rules! each {
    ($placeholder:literal) => {
        concat!("json_each(", $placeholder, ") AS each")
    };
}

/// A field of `each` that holds bytes as hexadecimal digits.
macro_rules! bytes {
    ($field:literal) => {
        concat!("unhex(each.value ->> '", $field, "')")
    };
}

/// A field of `each` that holds text.
macro_rules! text {
    ($field:literal) => {
        concat!("(each.value ->> '", $field, "')")
    };
}

/// What orders the rows of `table` as they were written, within a moment.
macro_rules! as_written {
    ($table:literal) => {
        concat!($table, ".rowid")
    };
}

pub(super) use {as_written, bytes, each, text};
