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

/// A field of `each` that holds a whole number.
macro_rules! number {
    ($field:literal) => {
        concat!("CAST(each.value ->> '", $field, "' AS INTEGER)")
    };
}

/// A field of `each` that holds a text.
macro_rules! text {
    ($field:literal) => {
        concat!("CAST(each.value ->> '", $field, "' AS TEXT)")
    };
}

pub(super) use {bytes, each, number, text};
