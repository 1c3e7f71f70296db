//! The first page: whichever the person's roles make most pressing.

use axum::response::Redirect;

use super::frame;
use super::role::StaffMember;

/// `GET /`.
pub(super) async fn page(person: StaffMember) -> Redirect {
    // Anybody on the staff may ask for an exemption.
    let first = frame::places(&person).next();
    Redirect::to(first.map_or("/exemptions", |place| place.address))
}
